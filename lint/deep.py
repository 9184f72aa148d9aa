"""Running what recurses as deep as the user's code is nested, and makes as many objects."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

# libcst and the lowering recurse as deep as the code is nested; Python stops at 1000 frames, and
# a thread's usual stack of 8 MiB well before what libcst can take.
_STACK = 512 * 1024 * 1024
_RECURSION = 20_000


# Objects made before garbage is looked for, and how often older ones are looked at. A tree has
# hundreds of thousands, nearly all of which live until the file is done.
_THRESHOLDS = (50_000, 20, 50)


@contextmanager
def collecting_rarely() -> Iterator[None]:
    """Look for garbage less often than Python does, which takes a quarter of the time."""
    before = gc.get_threshold()
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _never() -> None:
    return None


def with_deep_stack(function: Callable[[], T], watch: Callable[[], float | None] = _never) -> T:
    """Run in a thread whose stack fits deeply nested code.

    Meanwhile `watch` is called, each time after as many seconds as it said the last time.
    """
    result: list[T] = []
    raised: list[BaseException] = []

    def target() -> None:
        try:
            result.append(function())
        except BaseException as error:  # handed on below
            raised.append(error)

    limit, size = sys.getrecursionlimit(), threading.stack_size(_STACK)
    sys.setrecursionlimit(max(limit, _RECURSION))
    try:
        thread = threading.Thread(target=target, daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(watch())
    finally:
        threading.stack_size(size)
        sys.setrecursionlimit(limit)
    if raised:
        raise raised[0]
    return result[0]
