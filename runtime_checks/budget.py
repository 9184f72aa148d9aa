"""How long a run is watched, and how it is ended from within."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


class Stopped(BaseException):
    """The budget is spent: unwinds the script, past its `except Exception`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass
class Budget:
    """A number of optimizer steps, and seconds of wall clock from `began` on."""

    max_steps: int
    max_seconds: float
    whole_passes: bool = False
    began: float = field(default_factory=time.monotonic)

    @property
    def share(self) -> int | None:
        """Steps that one training pass over a loader may take; None for as many as it has.

        A quarter of the whole, so that three epochs and their evaluations are seen: that many it
        takes to tell whether the evaluation loss rises.
        """
        return None if self.whole_passes else max(1, self.max_steps // 4)

    @property
    def seconds(self) -> float:
        """Seconds since the script was started."""
        return time.monotonic() - self.began

    def spent(self, steps: int) -> str | None:
        """Why the run must end now, as in `End.reason`; None while it may go on."""
        if steps >= self.max_steps:
            return "steps"
        return "seconds" if self.seconds >= self.max_seconds else None
