"""Claims: what comments, docstrings, help texts, option names and prose say that the code does.

A claim counts only where it is said of this code, as a fact: not negated, not planned, not a
possibility, not a how-to, and not a line of code that was commented out.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Location
from trainlint.lint.lower.syntax import docstring_node, string_of
from trainlint.lint.model import Claim, Script
from trainlint.lint.source import Prose

# A source without these bytes claims no clipping.
SCREEN = (b"clip", b"Clip", b"CLIP", b"clamp", "裁剪".encode(), "剪裁".encode(), "截断".encode(),
          "剪切".encode(), b"max_grad_norm", b"max-grad-norm")  # fmt: skip

_BETWEEN = (
    r"(?:the|all|its|their|our|these|any|large|exploding|total|global|l2|norms?|values?|of|"
    r"model(?:'s)?|network(?:'s)?|parameters?(?:')?|by|each|every|generator|discriminator|"
    r"critic|actor|encoder|decoder|policy|magnitude|to|and|rescale|scale)"
)
_GRAD = r"grad(?:ient)?s?"
_CLIPPING = re.compile(
    rf"""
      \b{_GRAD}(?:['’]s?)?(?:[\s_-]+(?:norm|value)s?)?[\s_-]+clip(?:ping|ped|s)?\b
    | \bclip(?:s|ped|ping)?[\s_-]+(?:{_BETWEEN}[\s_-]+){{0,5}}{_GRAD}\b
    | \b{_GRAD}(?:\s+norms?)?\s+(?:is|are|get|gets|being|be|was|were)\s+(?:\w+\s+)?clipped\b
    | clip_grad(?:_norm|_value)?_?\b
    | 梯度.{{0,6}}?(?:裁剪|剪裁|截断|剪切) | (?:裁剪|剪裁|剪切).{{0,6}}?梯度
    """,
    re.IGNORECASE | re.VERBOSE,
)
_CLIP_OPTION = re.compile(
    rf"^-*(?:\w+[-_])?(?:{_GRAD}[-_](?:norm[-_]|value[-_])?clip(?:ping|[-_]\w+)?"
    rf"|clip[-_]{_GRAD}(?:[-_]\w+)?|max[-_]{_GRAD}[-_]norm)$",
    re.IGNORECASE,
)

# Anywhere in the sentence, these make it something other than a statement of fact.
_HEDGES = re.compile(
    r"""
      \b(?:no|not|never|without|cannot|non|isn't|aren't|don't|doesn't|won't|didn't|nor|neither
      |todo|fixme|xxx|hack|should|could|would|might|may|can|must|consider|try|tried|maybe|perhaps
      |optional|optionally|if|whether|unless|when|need|needs|needed|want|plan|planned|future|later
      |see|e\.g|i\.e|instead|rather|disable[sd]?|disabled|remove[sd]?|removed|skip(?:s|ped)?
      |unused|deprecated|unnecessary|paper|papers|authors?|original(?:ly)?|recommend(?:ed|s)?
      |useful|helps?|helpful|similar|like|unlike|versus|vs|why|how|what|weights?|rewards?|ratio
      |surrogate|objective|box(?:es)?|images?|actions?|observations?|policy\s+gradient|lipschitz
      |straight-through|support(?:s|ed)?|compatible|experiment(?:s|al)?|alternatively|suggest)\b
      | \? | n't\b
      | 不|没有|未|无需|可以|可能|可选|应该|应当|需要|建议|如果|是否|后续|将来|计划|待|如何|权重裁剪
      | 考虑|尝试|或者|论文|推荐|例如|比如
    """,
    re.IGNORECASE | re.VERBOSE,
)
# Words of the document that speak of its own code, or of what its author did in it.
_OF_THIS_CODE = re.compile(
    r"""
      \b(?:code|script|example|program|listing|snippet|loop)s?\s+(?:above|below)\b
      | \b(?:above|following|this|our|preceding|previous|complete|full|the)\s+
        (?:\w+\s+)?(?:code|script|example|program|listing|snippet|training\s+loop|implementation)\b
      | \bwe(?:'ve|\s+have|\s+also|\s+then)?\s+(?:\w+\s+)?
        (?:used|clipped|applied|employed|added|performed|included|use|clip|apply)\b
      | (?:上述|以上|上面|下面|下述|本|该|这段|此|上文|前面)的?(?:代码|脚本|示例|例子
          |程序|实例|代码实例|训练循环)
      | 代码中 | 示例中 | 我们(?:还|也|同时)?(?:使用|采用|应用|进行|加入|添加|做)了
      | 并(?:使用|采用|进行)了
    """,
    re.IGNORECASE | re.VERBOSE,
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z`(\"'#*-])|(?<=[。！？])|\n\s*\n|\n(?=\s*[-*•]\s)")
_PLANS = re.compile(
    r"\b(?:todo|to-do|not implemented|not supported|roadmap|future work|planned|ideas|references"
    r"|see also|args|arguments|parameters|options|notes?|changelog)\b[^\n]*:?\s*$|待办|计划|未来",
    re.IGNORECASE,
)


def lower_claims(script: Script) -> Iterator[Claim]:
    """The claims of a script."""
    if not any(screen in script.source.data for screen in SCREEN):
        return
    comments = list(_comments(script.source.code))
    if any(_is_code(text) and "clip" in text for _, _, text in comments):
        return  # someone switched clipping off on purpose, and left the words
    yield from _comment_claims(script, comments)
    yield from _docstring_claims(script)
    yield from _option_claims(script)
    for prose in script.source.prose:
        yield from _prose_claims(script, prose)


def clipping_statement(text: str) -> re.Match[str] | None:
    """The words of a sentence that state, as a fact, that gradients are clipped."""
    match = _CLIPPING.search(text)
    return match if match is not None and not _HEDGES.search(text) else None


def sentences(text: str) -> Iterator[tuple[int, str]]:
    """The sentences of a text, each with its offset."""
    start = 0
    for match in _SENTENCE_END.finditer(text):
        if text[start : match.start()].strip():
            yield start, text[start : match.start()]
        start = match.end()
    if text[start:].strip():
        yield start, text[start:]


# -- comments ----------------------------------------------------------------------------------


def _comments(code: str) -> Iterator[tuple[int, int, str]]:
    """Line, column and text of each comment."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.start[1], token.string
    except (tokenize.TokenError, SyntaxError, IndentationError):
        return


def _is_code(comment: str) -> bool:
    """Whether a comment is a line of code that was switched off."""
    text = comment.lstrip("#").strip()
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return any(isinstance(node, (ast.Call, ast.Assign)) for node in ast.walk(tree))


def _comment_claims(script: Script, comments: list[tuple[int, int, str]]) -> Iterator[Claim]:
    for index, (line, column, text) in enumerate(comments):
        if clipping_statement(text) is None:
            continue
        # A sentence may run over several comment lines, and be hedged on another of them.
        around = [text]
        for other, _, more in (*comments[max(0, index - 1) : index], *comments[index + 1 :][:1]):
            if abs(other - line) == 1:
                around.append(more)
        if any(_HEDGES.search(part) for part in around):
            continue
        location = script.source.location(line, column, line, column + len(text))
        yield Claim("clip", "comment", location, text.lstrip("# "), _scope_at(script, line))


def _scope_at(script: Script, line: int) -> cst.CSTNode | None:
    """The innermost function or class that a line stands in."""
    found: cst.CSTNode | None = None
    for scope in script.names.scopes:
        if scope.kind in ("function", "class"):
            first, _, last, _ = script.range(scope.node)
            if first <= line <= last:
                found = scope.node
    return found


# -- docstrings and options --------------------------------------------------------------------


def _docstring_claims(script: Script) -> Iterator[Claim]:
    homes: list[cst.CSTNode | None] = [None]
    homes += [s.node for s in script.names.scopes if s.kind in ("function", "class")]
    for home in homes:
        body = script.module if home is None else getattr(home, "body", None)
        node = docstring_node(body) if isinstance(body, (cst.Module, cst.BaseSuite)) else None
        text = string_of(node) if node is not None else None
        if node is None or text is None:
            continue
        for offset, sentence in sentences(text):
            if clipping_statement(sentence) and not _PLANS.search(text[:offset].strip()[-400:]):
                location = _inside(script, node, sentence)
                yield Claim("clip", "docstring", location, _flat(sentence), home)


def _inside(script: Script, node: cst.CSTNode, sentence: str) -> Location:
    """Where a sentence stands within a string literal; the literal's start where it is split."""
    first, column, last, end = script.range(node)
    lines = script.source.code_lines
    opening = sentence.strip().splitlines()[0]
    for line in range(first, last + 1):
        at = lines[line - 1].find(opening)
        if at >= 0:
            return script.source.location(line, at, line, at + len(opening))
    return script.source.location(first, column, last, end)


def _option_claims(script: Script) -> Iterator[Claim]:
    seen: set[cst.CSTNode] = set()
    for event in script.events("option"):
        if event.site.node in seen:
            continue
        seen.add(event.site.node)
        for arg in event.args:
            text = string_of(arg.site.node)
            if text is None or arg.keyword not in (None, "help"):
                continue
            stated = clipping_statement(text) if arg.keyword == "help" else _CLIP_OPTION.match(text)
            if stated is not None:
                yield Claim("clip", "option", arg.site.location, text, None)
                break


# -- prose -------------------------------------------------------------------------------------


def _prose_claims(script: Script, prose: Prose) -> Iterator[Claim]:
    if prose.kind not in ("paragraph", "quote"):
        return
    for offset, sentence in sentences(prose.text):
        if not clipping_statement(sentence) or not _OF_THIS_CODE.search(sentence):
            continue
        location = script.source.prose_location(prose, offset, sentence)
        yield Claim("clip", "prose", location, _flat(sentence), None)


def _flat(text: str) -> str:
    return " ".join(text.split())
