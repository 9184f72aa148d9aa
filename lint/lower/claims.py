"""Claims: what comments, docstrings, help texts, option names and prose say that the code does.

A claim counts only where it is said of this code, as a fact: not negated, not planned, not a
possibility, not a how-to, and not a line of code that was commented out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import libcst as cst

from trainlint.finding import Location
from trainlint.lint.lower.prose import Comment, comments, flat, sentences
from trainlint.lint.lower.subjects import CLIP_OPTION, SUBJECTS, Subject
from trainlint.lint.lower.syntax import docstring_node, string_of
from trainlint.lint.model import Claim, Script
from trainlint.lint.source import Prose

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
_PLANS = re.compile(
    r"\b(?:todo|to-do|not implemented|not supported|roadmap|future work|planned|ideas|references"
    r"|see also|args|arguments|parameters|options|notes?|changelog)\b[^\n]*:?\s*$|待办|计划|未来",
    re.IGNORECASE,
)
# Where a comment runs over more lines than these, it explains, and does not speak of one line.
_LONGEST = 3
_LONGEST_DOCSTRING = 600  # characters: a longer one is an article
_SECTION = re.compile(
    r"\n[^\S\n]*(?:args?|arguments|parameters|returns?|usage|examples?|references?|notes?|to-?do|options)"
    r"\b[^\n]{0,12}(?:\n|$)",
    re.IGNORECASE,
)
# What may be a comment or a docstring, told without reading the code as Python does.
_TEXT = re.compile(r"#.*|\"{3}[\s\S]*?\"{3}|'{3}[\s\S]*?'{3}|\"[^\"\n]*\"|'[^'\n]*'")
_CALL = re.compile(r"\w\(|https?:|\w\.\w+_\w")


def lower_claims(script: Script) -> Iterator[Claim]:
    """The claims of a script."""
    data = script.source.data
    spoken = [one for one in SUBJECTS if any(screen in data for screen in one.screen)]
    if not spoken:
        return
    texts = _TEXT.findall(script.source.code)
    spoken = [one for one in spoken if not one.plain or _may_be_said(texts, one)]
    if not spoken:
        return
    found = list(comments(script.source.code))
    for subject in spoken:
        if any(subject.does.search(one.text) and one.is_code for one in found):
            continue  # someone switched it off on purpose, and left the words
        yield from _comment_claims(script, found, subject)
        yield from _docstring_claims(script, subject)
        if not subject.plain:
            yield from _option_claims(script, subject)
            for prose in script.source.prose:
                yield from _prose_claims(script, prose, subject)


def _may_be_said(texts: Sequence[str], subject: Subject) -> bool:
    """Whether it is worth looking for comments and docstrings that say it."""
    screen = [one.decode() for one in subject.screen]
    return any(subject.said.search(text) for text in texts if any(word in text for word in screen))


# -- comments ----------------------------------------------------------------------------------


def _comment_claims(script: Script, found: Sequence[Comment], subject: Subject) -> Iterator[Claim]:
    for index, one in enumerate(found):
        if subject.stated(one.text) is None:
            continue
        # A sentence may run over several comment lines, and be hedged on another of them.
        around = [
            other.text
            for other in (*found[max(0, index - 1) : index], *found[index + 1 :][:1])
            if abs(other.line - one.line) == 1
        ]
        if any(subject.hedged(text) for text in around):
            continue
        if subject.plain and _explains(found, index):
            continue
        line, column, text = one.line, one.column, one.text
        location = script.source.location(line, column, line, column + len(text))
        yield Claim(subject.what, "comment", location, text.lstrip("# "), _scope_at(script, line))


def _explains(found: Sequence[Comment], index: int) -> bool:
    """Whether a comment belongs to a longer text, or holds code or an address."""
    first = last = index
    while first and found[first - 1].line == found[first].line - 1 and last - first < _LONGEST:
        first -= 1
    while found[last].line + 1 == _line_of(found, last + 1) and last - first < _LONGEST:
        last += 1
    text = [one.text for one in found[first : last + 1]]
    return len(text) > _LONGEST or any(_CALL.search(line) for line in text)


def _line_of(found: Sequence[Comment], index: int) -> int | None:
    return found[index].line if index < len(found) else None


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


def _docstring_claims(script: Script, subject: Subject) -> Iterator[Claim]:
    homes: list[cst.CSTNode | None] = [None]
    homes += [s.node for s in script.names.scopes if s.kind in ("function", "class")]
    for home in homes:
        body = script.module if home is None else getattr(home, "body", None)
        node = docstring_node(body) if isinstance(body, (cst.Module, cst.BaseSuite)) else None
        text = string_of(node) if node is not None else None
        if node is None or text is None:
            continue
        if subject.plain:
            text = _SECTION.split(text)[0].rstrip()
        if subject.plain and len(text) > _LONGEST_DOCSTRING:
            continue
        for offset, sentence in sentences(text):
            if subject.stated(sentence) and not _PLANS.search(text[:offset].strip()[-400:]):
                location = _inside(script, node, sentence)
                yield Claim(subject.what, "docstring", location, flat(sentence), home)


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


def _option_claims(script: Script, subject: Subject) -> Iterator[Claim]:
    seen: set[cst.CSTNode] = set()
    for event in script.events("option"):
        if event.site.node in seen:
            continue
        seen.add(event.site.node)
        for arg in event.args:
            text = string_of(arg.site.node)
            if text is None or arg.keyword not in (None, "help"):
                continue
            stated = subject.stated(text) if arg.keyword == "help" else CLIP_OPTION.match(text)
            if stated is not None:
                yield Claim(subject.what, "option", arg.site.location, text, None)
                break


# -- prose -------------------------------------------------------------------------------------


def _prose_claims(script: Script, prose: Prose, subject: Subject) -> Iterator[Claim]:
    if prose.kind not in ("paragraph", "quote"):
        return
    for offset, sentence in sentences(prose.text):
        if not subject.stated(sentence) or not _OF_THIS_CODE.search(sentence):
            continue
        location = script.source.prose_location(prose, offset, sentence)
        yield Claim(subject.what, "prose", location, flat(sentence), None)
