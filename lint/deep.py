"""Running what recurses as deep as the user's code is nested."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# libcst and the lowering recurse as deep as the code is nested; Python stops at 1000 frames, and
# a thread's usual stack of 8 MiB well before what libcst can take.
_STACK = 512 * 1024 * 1024
_RECURSION = 20_000


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
