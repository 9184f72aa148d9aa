"""Whether a script whose time is up hangs, and where it stands then."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from trainlint.runtime_checks.places import is_ours, user_path
from trainlint.runtime_checks.record import Site
from trainlint.runtime_checks.session import Session

# A pause counts as a hang from so many seconds on, and so many times the longest one before.
HANG_AFTER = 5.0
HANG_RATIO = 5.0
# Of one second: what works is no hang, whoever does it.
_QUIET = 0.1


@dataclass(frozen=True)
class Standing:
    """Where a thread stands: the user's line, and the library's function that it called there."""

    site: Site | None
    inside: str


def standing(thread: int) -> Standing:
    """The innermost line of the user's in a running thread."""
    frame: FrameType | None = sys._current_frames().get(thread)
    inside = ""
    while frame is not None:
        path = user_path(frame.f_code.co_filename)
        if path is not None:
            return Standing(Site(path, frame.f_lineno), inside)
        if not is_ours(frame.f_code.co_filename):
            inside = f"{frame.f_globals.get('__name__', '')}.{frame.f_code.co_name}"
        frame = frame.f_back
    return Standing(None, "")


def is_long_idle(session: Session) -> bool:
    """Whether nothing of its training was seen for long, by what its steps took before."""
    return session.step > 0 and session.idle >= max(HANG_AFTER, HANG_RATIO * session.longest)


class Work:
    """The processor time of this process and of those it started, from now on."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._used = _used()

    def is_quiet(self) -> bool:
        """Whether next to none was used since."""
        return _used() - self._used < _QUIET * (time.monotonic() - self._began)


def _used() -> float:
    return time.process_time() + _used_by_others()


def _used_by_others() -> float:
    """Seconds of the other processes of this session; 0 where the system does not tell."""
    try:
        mine, session = os.getpid(), os.getsid(0)
        ticks = os.sysconf("SC_CLK_TCK")
        stats = list(_stats(mine))
    except (AttributeError, OSError, ValueError):
        return 0.0
    # After the name in brackets: state, parent, group, session, ...; utime and stime stand 12th.
    fields = [stat.rpartition(b")")[2].split() for stat in stats]
    return sum(int(one[11]) + int(one[12]) for one in fields if int(one[3]) == session) / ticks


def _stats(mine: int) -> Iterator[bytes]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and folder.name != str(mine):
            try:
                yield (folder / "stat").read_bytes()
            except OSError:
                continue  # it has ended
