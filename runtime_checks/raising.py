"""What is noted of an exception of the user's code."""

from __future__ import annotations

import os
import traceback

from trainlint.runtime_checks.places import user_path
from trainlint.runtime_checks.record import Frame, Raised, Site


def raised_by(error: BaseException, step: int) -> Raised:
    """The line of the record."""
    return Raised(
        step=step,
        type=f"{type(error).__module__}.{type(error).__qualname__}",
        text=_text_of(error),
        frames=_frames(error),
        name=getattr(error, "name", None) if isinstance(error, NameError) else None,
    )


def site_of(error: BaseException) -> Site | None:
    """The innermost line of the user's own code that an exception came through."""
    frames = _frames(error)
    return Site(frames[-1].path, frames[-1].line) if frames else None


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return ""


def _frames(error: BaseException) -> list[Frame]:
    """The user's own frames, outermost first; of a syntax error, the line that it names."""
    found = [
        Frame(path, line, frame.f_code.co_name)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if (path := user_path(frame.f_code.co_filename)) is not None
    ]
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        found.append(Frame(os.path.abspath(error.filename), error.lineno, "<module>"))
    return found
