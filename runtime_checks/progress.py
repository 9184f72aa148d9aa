"""The line that shows, on a terminal, how far a watched run has come."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from trainlint.runtime_checks.record import Line, Step
from trainlint.runtime_checks.runner import Options
from trainlint.runtime_checks.series import show

_EVERY = 0.2  # seconds between two drawings


class Progress:
    """Steps of the budget, loss and gradient norm, on standard error; on a terminal only.

    The line is redrawn in place and wiped before the report; what the script prints meanwhile
    pushes it up, and is never touched.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._shown = sys.stderr.isatty()
        self._drawn = 0.0

    def __enter__(self) -> Progress:
        return self

    def __call__(self, line: Line) -> None:
        """Take in one line of the record."""
        now = time.monotonic()
        if not self._shown or not isinstance(line, Step) or now - self._drawn < _EVERY:
            return
        self._drawn = now
        trial = f" ({self._options.trial})" if self._options.trial else ""
        self._write(
            f"watching{trial}: step {line.step + 1} of {self._options.max_steps}, "
            f"{line.seconds:.0f} s, loss {show(line.loss)}, gradient norm {show(line.norm)}"
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shown:
            self._write("")

    def _write(self, text: str) -> None:
        # Back to the line's start, wipe it, write, and go back: the script's own output, if it
        # comes next, overwrites the rest.
        sys.stderr.write(f"\r\x1b[2K{text}\r")
        sys.stderr.flush()
