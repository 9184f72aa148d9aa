"""trainlint: finds the mistakes in PyTorch training scripts, by reading and by watching them."""

from __future__ import annotations

from trainlint._version import __version__

__all__ = ["__version__"]
