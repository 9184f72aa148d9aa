"""Which steps are looked at closely: what costs much is measured in these alone.

A loop of a thousand steps tells no more about its layers than a hundred of them do.
"""

from __future__ import annotations

import math
from collections.abc import Callable

# The first steps show how training begins, and short runs have no others.
WHOLE = 20
# No small number divides it: where optimizers take turns, or gradients are accumulated, each
# one's steps are met.
EVERY = 11
# From here on, what a look can show has been seen many times.
LATE = 330
EVERY_LATE = 53
# A loss so many times the greatest of the steps looked at is worth a look, at so many steps, and so
# many times in a run: an explosion takes but few steps from its first sign to the end.
ALARM = 2.0
ALARM_STEPS = 10
ALARMS = 20


class Window:
    """Open while the step to come is one to be looked at; evaluations belong to the next step."""

    def __init__(self) -> None:
        self.is_open = True
        self._on_open: list[Callable[[], None]] = []
        self._on_close: list[Callable[[], None]] = []
        self._on_stir: list[Callable[[], None]] = []
        self._on_calm: list[Callable[[], None]] = []
        self._stirred = False
        self._steps = 0
        self._greatest = 0.0
        self._until = WHOLE  # open for all steps before this one
        self._alarms = 0

    def watch(self, on_open: Callable[[], None], on_close: Callable[[], None]) -> None:
        """Call `on_open` now, if it is open, and each time that it opens; `on_close` likewise.

        What hooks cost, they cost while they are there: a probe takes its own out when it closes.
        """
        self._on_open.append(on_open)
        self._on_close.append(on_close)
        if self.is_open:
            on_open()

    def follow(self, on_open: Callable[[], None], on_close: Callable[[], None]) -> None:
        """As `watch`, and open as well while the script does something else than train."""
        self.watch(on_open, on_close)
        self._on_stir.append(on_open)
        self._on_calm.append(on_close)

    def stir(self) -> None:
        """The script does something else than train: a pass ends, an evaluation begins."""
        if not (self.is_open or self._stirred):
            self._stirred = True
            for action in self._on_stir:
                action()

    def stepped(self, steps: int) -> None:
        """So many optimizer steps have been taken."""
        self._steps = steps
        every = EVERY if steps < LATE else EVERY_LATE
        self._turn(steps < self._until or steps % every == 0)

    def see(self, loss: float) -> None:
        """The loss of a backward that begins: opens where it is far from all before, or none."""
        size = abs(loss)
        if self.is_open:
            if math.isfinite(size):
                self._greatest = max(self._greatest, size)
        elif not size <= ALARM * self._greatest and self._alarms < ALARMS:
            self._alarms += 1
            self._until = self._steps + ALARM_STEPS
            self._turn(True)

    def close(self) -> None:
        """Nothing more will be measured."""
        self._turn(False)

    def _turn(self, is_open: bool) -> None:
        stirred, self._stirred = self._stirred, False
        if is_open == self.is_open:
            for action in self._on_calm if stirred else ():
                action()
            return
        self.is_open = is_open
        for action in self._on_open if is_open else self._on_close:
            action()
