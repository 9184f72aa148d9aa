"""Which steps are looked at closely: what costs much is measured in these alone.

A loop of a thousand steps tells no more about its layers than a hundred of them do.
"""

from __future__ import annotations

from collections.abc import Callable

# The first steps show how training begins, and short runs have no others.
WHOLE = 20
# No small number divides it: where optimizers take turns, or gradients are accumulated, each
# one's steps are met.
EVERY = 11


class Window:
    """Open while the step to come is one to be looked at; evaluations belong to the next step."""

    def __init__(self) -> None:
        self.is_open = True
        self._on_open: list[Callable[[], None]] = []
        self._on_close: list[Callable[[], None]] = []
        self._on_stir: list[Callable[[], None]] = []
        self._on_calm: list[Callable[[], None]] = []
        self._stirred = False

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
        self._turn(steps < WHOLE or steps % EVERY == 0)

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
