"""Reading prose: the comments of a code, the sentences of a text, and what is no statement."""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass

from trainlint.lint.tokens import NO_TOKENS, tokens

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
        for token in tokens(code):
            if token.type == tokenize.COMMENT:
                line, column = token.start
                yield Comment(line, column, token.string, not token.line[:column].strip())
    except NO_TOKENS:
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


# -- remarks ------------------------------------------------------------------------------------

# What may stand beside a statement in a comment that says it and nothing more. Comments are loose
# talk: any other word may turn it into a remark, a heading of what is to come, a comparison.
_FILLERS = frozenset(
    """
    a an all and by each every for in of on our over the this to via with apply applies applied
    applying do does use uses used using perform performs run runs wrap wraps train trains trained
    training trainer fit fits enable enables enabled keep keeps set sets save saves start check
    model models network net critic generator discriminator encoder decoder layer layers conv linear
    optimizer loss gpu gpus device devices batch batches epoch epochs steps loop step
    classifier weights avoid avoids prevent prevents against guard guards overfitting overfit
    stabilize stabilise stability faster speed memory reproducibility reproducible results support
    one two three four five ten validation val test metric accuracy based after plateau
    """.split()
)
_WORD = re.compile(r"[^\W\d_]+")
_LABEL = re.compile(r"^\W*(?:\d+[.)]|step \d+:)|#\s*TRN\d+.*$", re.IGNORECASE)
_CHINESE = re.compile(r"^[使用采进行训练模型的对了并多个防止过拟合以避免加入我们]*$")


def says_no_more(rest: str) -> bool:
    """Whether what stands beside a statement adds nothing to it."""
    plain = _LABEL.sub(" ", rest)
    return all(
        word.lower() in _FILLERS or _CHINESE.match(word) for word in _WORD.findall(plain)
    ) and not re.search(r"\d\s*(?:$|[.,)])|[=:]\s*\d", plain)
