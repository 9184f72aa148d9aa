"""trainlint: finds the mistakes in PyTorch training scripts, by reading and by watching them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainlint._version import __version__

if TYPE_CHECKING:
    from trainlint.library import Watched, fit, watch

__all__ = ["Watched", "__version__", "fit", "watch"]

_LIBRARY = frozenset({"Watched", "fit", "watch"})


def __getattr__(name: str) -> Any:
    # Loaded when it is used: reading a script needs none of it.
    if name not in _LIBRARY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from trainlint import library

    return getattr(library, name)
