"""Processes that the script starts by itself: what they do is not watched. Needs no torch."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from multiprocessing import process
from types import FrameType
from typing import Any

from trainlint.runtime_checks.patching import Patches
from trainlint.runtime_checks.places import user_path
from trainlint.runtime_checks.session import Session

_WORKERS = os.path.join("torch", "utils", "data") + os.sep


def install(session: Session, patches: Patches) -> None:
    """Count them, but for the workers of data loaders and for what libraries start."""
    patches.replace(process.BaseProcess, "start", lambda start: _counted(start, session, _is_own))
    patches.replace(subprocess.Popen, "__init__", lambda init: _counted(init, session, _is_direct))


def _counted(original: Any, session: Session, counts: Any) -> Any:
    @functools.wraps(original)
    def start(*args: Any, **kwargs: Any) -> Any:
        if session.is_ours() and counts(sys._getframe(1)):
            session.children += 1
        return original(*args, **kwargs)

    return start


def _is_own(frame: FrameType | None) -> bool:
    """Whether no data loader asked for it."""
    while frame is not None:
        if _WORKERS in frame.f_code.co_filename:
            return False
        frame = frame.f_back
    return True


def _is_direct(frame: FrameType | None) -> bool:
    """Whether the user's own line called for it."""
    while frame is not None and frame.f_globals.get("__name__") == subprocess.__name__:
        frame = frame.f_back
    return frame is not None and user_path(frame.f_code.co_filename) is not None
