"""Reading prose: the comments of a code, the sentences of a text, and what is no statement."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass

# Anywhere in the sentence, these make it something other than a statement of fact.
HEDGES = re.compile(
    r"""
      \b(?:no|not|never|without|cannot|non|isn't|aren't|don't|doesn't|won't|didn't|nor|neither
      |todo|fixme|xxx|hack|should|could|would|might|may|can|must|consider|try|tried|maybe|perhaps
      |optional|optionally|if|whether|unless|when|need|needs|needed|want|plan|planned|future|later
      |see|e\.g|i\.e|instead|rather|disable[sd]?|disabled|remove[sd]?|removed|skip(?:s|ped)?
      |unused|deprecated|unnecessary|paper|papers|authors?|original(?:ly)?|recommend(?:ed|s)?
      |useful|helps?|helpful|similar|like|unlike|versus|vs|why|how|what|support(?:s|ed)?|compatible|experiment(?:s|al)?|alternatively|suggest)\b
      | \? | n't\b
      | 不|没有|未|无需|可以|可能|可选|应该|应当|需要|建议|如果|是否|后续|将来|计划|待|如何
      | 考虑|尝试|或者|论文|推荐|例如|比如
    """,
    re.IGNORECASE | re.VERBOSE,
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z`(\"'#*-])|(?<=[。！？])|\n\s*\n|\n(?=\s*[-*•]\s)")


@dataclass(frozen=True)
class Comment:
    """A comment: where it stands, its text from the `#` on, and whether its line is its own."""

    line: int
    column: int
    text: str
    alone: bool

    @property
    def is_code(self) -> bool:
        """Whether it is a line of code that was switched off."""
        try:
            tree = ast.parse(self.text.lstrip("#").strip())
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            return False
        return any(isinstance(node, (ast.Call, ast.Assign)) for node in ast.walk(tree))


def comments(code: str) -> Iterator[Comment]:
    """The comments of a code, in order."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            if token.type == tokenize.COMMENT:
                line, column = token.start
                yield Comment(line, column, token.string, not token.line[:column].strip())
    except (tokenize.TokenError, SyntaxError, IndentationError):
        return


def sentences(text: str) -> Iterator[tuple[int, str]]:
    """The sentences of a text, each with its offset."""
    start = 0
    for match in _SENTENCE_END.finditer(text):
        if text[start : match.start()].strip():
            yield start, text[start : match.start()]
        start = match.end()
    if text[start:].strip():
        yield start, text[start:]


def flat(text: str) -> str:
    """A text on one line."""
    return " ".join(text.split())
