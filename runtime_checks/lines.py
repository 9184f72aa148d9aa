"""Which lines of the user's files were run: each line is told once, then left alone.

Before Python 3.12 that takes a trace function, which every call of the script pays for, torch's
own among them. It pauses while training goes its usual way, and what was run meanwhile is not
known.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

from trainlint.runtime_checks.places import user_path

Trace = Callable[[FrameType, str, Any], Any]


class SeenLines:
    """The lines that were run, by absolute path."""

    def __init__(self) -> None:
        self.by_path: dict[str, set[int]] = {}
        self.whole = True  # no line can have been missed
        self._pause: Callable[[], None] = lambda: None
        self._resume: Callable[[], None] = lambda: None

    def add(self, path: str, line: int) -> None:
        """Note one line."""
        self.by_path.setdefault(path, set()).add(line)

    def on(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """How the collecting is paused, and goes on."""
        self._pause, self._resume = pause, resume

    def pause(self) -> None:
        """Collect no lines where that costs much, until `resume`."""
        self._pause()

    def resume(self) -> None:
        """Collect again."""
        self._resume()


@contextmanager
def watch_lines(seen: SeenLines) -> Iterator[None]:
    """Collect lines until this context is left; a debugger that is at work is left in peace."""
    if sys.version_info >= (3, 12):
        yield from _monitored(seen)
    else:
        yield from _traced(seen)


if sys.version_info >= (3, 12):

    def _monitored(seen: SeenLines) -> Iterator[None]:
        """`sys.monitoring` calls once for each line, and never again."""
        monitoring = sys.monitoring
        tool = next((n for n in range(5, -1, -1) if monitoring.get_tool(n) is None), None)
        if tool is None:
            yield
            return

        def line(code: CodeType, number: int) -> object:
            path = user_path(code.co_filename)
            if path is not None:
                seen.add(path, number)
            return monitoring.DISABLE

        monitoring.use_tool_id(tool, "trainlint")
        monitoring.register_callback(tool, monitoring.events.LINE, line)
        monitoring.set_events(tool, monitoring.events.LINE)
        try:
            yield
        finally:
            monitoring.set_events(tool, 0)
            monitoring.register_callback(tool, monitoring.events.LINE, None)
            monitoring.free_tool_id(tool)


def _traced(seen: SeenLines) -> Iterator[None]:
    """A trace function, for the user's functions only, and none for one that was seen whole."""
    if sys.gettrace() is not None:
        yield
        return
    waiting: dict[CodeType, set[int] | None] = {}

    def call(frame: FrameType, event: str, arg: Any) -> Trace | None:
        code = frame.f_code
        try:
            unseen = waiting[code]
        except KeyError:
            unseen = waiting[code] = _lines_of(code)
        return line if unseen else None

    def line(frame: FrameType, event: str, arg: Any) -> Trace | None:
        unseen = waiting[frame.f_code]
        if event == "line" and unseen:
            number = frame.f_lineno
            if number in unseen:
                unseen.discard(number)
                path = user_path(frame.f_code.co_filename)
                if path is not None:
                    seen.add(path, number)
        return line if unseen else None

    def pause() -> None:
        if sys.gettrace() is call:
            sys.settrace(None)
            seen.whole = False

    def resume() -> None:
        if sys.gettrace() is not None:
            return
        sys.settrace(call)
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:  # a trace function is asked only about calls to come
            if frame.f_trace is None and user_path(frame.f_code.co_filename) is not None:
                frame.f_trace = call(frame, "call", None)
            frame = frame.f_back

    seen.on(pause, resume)
    sys.settrace(call)
    before = threading.gettrace()
    if before is None:
        threading.settrace(call)
    try:
        yield
    finally:
        seen.on(lambda: None, lambda: None)
        sys.settrace(None)
        if before is None:
            threading.settrace(None)


def _lines_of(code: CodeType) -> set[int] | None:
    """The lines of a function of the user's; None for any other."""
    if user_path(code.co_filename) is None:
        return None
    return {number for _, _, number in code.co_lines() if number}
