"""When which document is checked: off the event loop, one at a time, the newest text only."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Worker:
    """A thread that does one thing after the other; the process does not wait for it to end."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="trainlint", daemon=True).start()

    async def do(self, job: Callable[[], T]) -> T:
        """The result of a job; one that is cancelled before its turn is never begun."""
        future: Future[T] = Future()
        self._jobs.put((future, job))
        return await asyncio.wrap_future(future)

    def _work(self) -> None:
        while True:
            future, job = self._jobs.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(job())
            except BaseException as error:  # handed on to whoever waits
                future.set_exception(error)


class Checks:
    """The checks under way; a newer one of a document takes the place of an older."""

    def __init__(self, check: Callable[[str], Awaitable[None]]) -> None:
        self._check = check
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._round: asyncio.Task[None] | None = None

    def soon(self, uri: str, delay: float = 0) -> None:
        """Check a document after so many seconds, unless it is asked for again before."""
        self.drop(uri)
        self._tasks[uri] = asyncio.create_task(self._after(delay, uri))

    def drop(self, uri: str) -> None:
        """Check a document no more."""
        task = self._tasks.pop(uri, None)
        if task is not None:
            task.cancel()

    def later(self, uris: Sequence[str], delay: float) -> None:
        """Check these after a pause of so many seconds, in turn: none waits for all of them."""
        if self._round is not None:
            self._round.cancel()
        self._round = asyncio.create_task(self._in_turn(delay, uris))

    async def settled(self, uri: str) -> None:
        """Wait until a document that was asked for is checked as it stands."""
        while (task := self._tasks.get(uri)) is not None and not task.done():
            await asyncio.wait([task])

    async def _after(self, delay: float, uri: str) -> None:
        await asyncio.sleep(delay)
        await self._check(uri)

    async def _in_turn(self, delay: float, uris: Sequence[str]) -> None:
        await asyncio.sleep(delay)
        for uri in uris:
            await self.settled(uri)
            await self._check(uri)
