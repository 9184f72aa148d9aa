"""The line that shows, on a terminal, how far a watched run has come."""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType

from trainlint.runtime_checks.record import Line, Step, Stride
from trainlint.runtime_checks.runner import Options
from trainlint.runtime_checks.series import show

_EVERY = 0.2  # seconds between two drawings


class Progress:
    """Steps of the budget, loss and gradient norm, on standard error; on a terminal only.

    Drawn at the right edge, the cursor put back to where the script left it: what the script
    prints comes out whole, however it prints.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._shown = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._drawn = 0.0
        self._norm: float | None = None  # the last that was measured
        self._width = 0

    def __enter__(self) -> Progress:
        self._draw("no step yet")
        return self

    def __call__(self, line: Line) -> None:
        """Take in one line of the record."""
        now = time.monotonic()
        if not isinstance(line, (Step, Stride)) or now - self._drawn < _EVERY:
            return
        self._drawn = now
        step = line if isinstance(line, Step) else list(line.expanded())[-1]
        self._norm = self._norm if step.norm is None else step.norm
        self._draw(
            f"step {step.step + 1} of {self._options.max_steps}, {step.seconds:.0f} s, "
            f"loss {show(step.loss)}, gradient norm {show(self._norm)}"
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._write("")

    def _draw(self, text: str) -> None:
        trial = f" ({self._options.trial})" if self._options.trial else ""
        self._write(f"watching{trial}: {text}")

    def _write(self, text: str) -> None:
        if not self._shown:
            return
        columns = _columns()
        text = text[: columns - 1]
        width = max(len(text), self._width)
        self._width = len(text)
        # Save the cursor; go to where this or the last text begins; wipe to the edge; restore.
        place = max(columns - width + 1, 1)
        sys.stderr.write(f"\x1b7\x1b[{place}G\x1b[K{text:>{width}}\x1b8")
        sys.stderr.flush()


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
