"""Which file is the user's own, and which of its lines called us."""

from __future__ import annotations

import os
import sys
import sysconfig
from types import FrameType

import trainlint
from trainlint.runtime_checks.record import Site

_LIBRARY_FOLDERS = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_OURS = tuple(
    {
        folder + os.sep
        for path in (os.path.dirname(trainlint.__file__ or ""), os.path.dirname(__file__))
        for folder in (os.path.abspath(path), os.path.realpath(path))
    }
)
_STDLIB = tuple({sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib")})

_paths: dict[str, str | None] = {}
_sites: dict[tuple[str, int], Site] = {}


def user_path(filename: str) -> str | None:
    """Absolute path of a code object's file; None where it is a library's, or no file."""
    try:
        return _paths[filename]
    except KeyError:
        return _paths.setdefault(filename, _classify(filename))


def is_ours(filename: str) -> bool:
    """Whether a file belongs to trainlint itself."""
    return os.path.abspath(filename).startswith(_OURS)


def claim(path: str) -> None:
    """Count a file as the user's, wherever it lies: it is the script that is watched."""
    _paths[path] = path


def user_site(made: object = None) -> Site | None:
    """The innermost line of the user's own code that led here.

    With `made`, an object under construction, its own `__init__` frames are passed over, so that
    the line is the one that asked for it.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        path = user_path(frame.f_code.co_filename)
        if path is not None and not (made is not None and _constructs(frame, made)):
            return _site(path, frame.f_lineno)
        frame = frame.f_back
    return None


def _site(path: str, line: int) -> Site:
    """Always the same object for a line: sites are compared at every step."""
    try:
        return _sites[path, line]
    except KeyError:
        return _sites.setdefault((path, line), Site(path, line))


def _classify(filename: str) -> str | None:
    if filename.startswith("<"):
        return filename if filename.startswith("<ipython-input") else None
    path = os.path.abspath(filename)
    if any(folder in path for folder in _LIBRARY_FOLDERS) or path.startswith((*_OURS, *_STDLIB)):
        return None
    return None if path.startswith(_torch_folder()) else path


def _torch_folder() -> str:
    """Folder of a torch that runs from its sources, outside any site-packages."""
    file = getattr(sys.modules.get("torch"), "__file__", None)
    return os.path.dirname(os.path.abspath(file)) + os.sep if file else os.devnull + os.sep


def _constructs(frame: FrameType, made: object) -> bool:
    code = frame.f_code
    if code.co_name != "__init__" or not code.co_argcount:
        return False
    return frame.f_locals.get(code.co_varnames[0]) is made
