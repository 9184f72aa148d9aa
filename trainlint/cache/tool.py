"""Which trainlint it is: what one version kept is nothing to another."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec

from trainlint._version import __version__

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# In a checkout, these are links to folders beside the package.
_TOPS = (_PACKAGE, os.path.join(_PACKAGE, "lint"), os.path.join(_PACKAGE, "runtime_checks"))


def tool_key() -> str:
    """A name for this installation: its version, its own files, Python's version and the parser's.

    The files count by size and time, so that whoever works on trainlint gets no stale answers.
    """
    spec = find_spec("libcst")
    parser = [] if spec is None or spec.origin is None else [_stamp(spec.origin)]
    parts = [__version__, sys.version, *parser, *sorted(_own_files())]
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=10).hexdigest()


def _own_files() -> Iterator[str]:
    for top in _TOPS:
        for folder, folders, files in os.walk(top):
            folders[:] = [name for name in folders if name != "__pycache__"]
            yield from (_stamp(os.path.join(folder, name)) for name in files)


def _stamp(path: str) -> str:
    found = os.stat(path)
    return f"{os.path.relpath(path, _PACKAGE)} {found.st_size} {found.st_mtime_ns}"
