"""Python's tokens of a code."""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterator

from trainlint.lint.source import split_lines

# What `tokens` raises where the code is no Python.
NO_TOKENS = (tokenize.TokenError, SyntaxError)


def tokens(code: str) -> Iterator[tokenize.TokenInfo]:
    """The tokens of a code, whatever ends its lines: Python's tokenizer only knows `\\n`."""
    yield from tokenize.generate_tokens(io.StringIO("\n".join(split_lines(code))).readline)
