"""Sources to try trainlint on: the rules' cases and the fixtures, changed at random.

All randomness is drawn from hypothesis, so that a failure is made smaller and can be had again.
"""

from __future__ import annotations

import ast
import codecs
import json
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import hypothesmith
from command import FIXTURES
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from rule_cases import ALL

SEEDS = [text for case in ALL for text in case.files.values() if "torch" in text]
SEEDS += [path.read_text(encoding="utf-8") for path in sorted(FIXTURES.glob("*.*"))]

_TOKEN = re.compile(r"\w+|[^\w\s]+|\n[ \t]*|[ \t]+")
_WORDS = """
lambda := await async * ** None ... match type yield return del global nonlocal with not in is if
else for while try except finally raise class def from import as assert pass break continue ( ) [ ]
{ } : , = == -> @ . ; \\ ' " ''' f' rb' 0 1e9 0x self torch model optimizer loss x _ __init__ print
True case else: # % ! ? >>> ``` <!-- --> .. :: \t \x0c \ufeff é 日本 😀 \u2028 \x1b
""".split()
_MAGICS = ("%matplotlib inline", "!pip install x", "x = !ls", "%%time", "%run a.py", "help?")


@dataclass(frozen=True)
class Subject:
    """A file to be checked."""

    name: str
    data: bytes

    def __repr__(self) -> str:
        return f"{self.name}: {self.data!r}"


Change = Callable[[DrawFn, str], str]


def _cut(draw: DrawFn, text: str, most: int = 400) -> tuple[int, int]:
    """A random place of a text, and one after it."""
    start = draw(st.integers(0, len(text)))
    return start, min(len(text), start + draw(st.integers(0, most)))


def _drop(draw: DrawFn, text: str) -> str:
    start, end = _cut(draw, text)
    return text[:start] + text[end:]


def _truncate(draw: DrawFn, text: str) -> str:
    return text[: draw(st.integers(0, len(text)))]


def _insert(draw: DrawFn, text: str) -> str:
    at = draw(st.integers(0, len(text)))
    return text[:at] + draw(st.text(max_size=8)) + text[at:]


def _change_lines(draw: DrawFn, text: str) -> str:
    """Lines deleted, doubled, moved, joined, indented or outdented."""
    lines = text.split("\n")
    one, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    some = lines[one : one + draw(st.integers(1, 6))]
    end = one + len(some)
    ways = [
        [],
        some * 2,
        [f"    {line}" for line in some],
        [line.removeprefix("    ") for line in some],
        [line.removeprefix(" ") for line in some],
        ["; ".join(line.strip() for line in some)],
        [" \\\n".join(some)],
        [lines[other]],
        [*some, lines[other]],
    ]
    return "\n".join([*lines[:one], *draw(st.sampled_from(ways)), *lines[end:]])


def _change_token(draw: DrawFn, text: str) -> str:
    """A token replaced by another one, of the text or of the language."""
    tokens = _TOKEN.findall(text) or [" "]
    at = draw(st.integers(0, len(tokens) - 1))
    tokens[at] = draw(st.sampled_from([*tokens, *_WORDS]))
    return "".join(tokens)


def _rename(draw: DrawFn, text: str) -> str:
    """One name made the same as another."""
    names = sorted(set(re.findall(r"[A-Za-z_]\w*", text))) or ["x"]
    one, other = draw(st.sampled_from(names)), draw(st.sampled_from(names))
    return re.sub(rf"\b{one}\b", other, text)


def _swap_nodes(draw: DrawFn, text: str) -> str:
    """An expression put in the place of another: what comes out parses most of the time."""
    spans = _spans(text)
    if len(spans) < 2:
        return text
    start, end = draw(st.sampled_from(spans))
    first, last = draw(st.sampled_from(spans))
    data = text.encode()
    return (data[:start] + data[first:last] + data[end:]).decode()


def _spans(text: str) -> list[tuple[int, int]]:
    """The bytes of each expression of a code that can be parsed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    starts = [0]
    for line in text.encode().split(b"\n"):
        starts.append(starts[-1] + len(line) + 1)
    return [
        (starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + end)
        for node in ast.walk(tree)
        if isinstance(node, ast.expr)
        and node.end_lineno is not None
        and (end := node.end_col_offset) is not None
    ]


def _graft(draw: DrawFn, text: str) -> str:
    """An expression of another case put in the place of one of this."""
    other = draw(st.sampled_from(SEEDS))
    spans, others = _spans(text), _spans(other)
    if not spans or not others:
        return text
    start, end = draw(st.sampled_from(spans))
    first, last = draw(st.sampled_from(others))
    data = text.encode()
    return (data[:start] + other.encode()[first:last] + data[end:]).decode()


def _append(draw: DrawFn, text: str) -> str:
    """Another case after this one."""
    return f"{text}\n{draw(st.sampled_from(SEEDS))}"


_AROUND = [
    ("(", ")"), ("[", "]"), ("not ", ""), ("-", ""), ("f(", ")"), ("", ".a"), ("", "()"),
    ("", "[0]"), ("lambda: ", ""), ("x + ", ""), ("{1: ", "}"), ("*", ""), ("await ", ""),
]  # fmt: skip
_HEADS = [
    "def f():", "class A:", "if a:", "with a as b:", "try:", "async def f(self, *a):",
    "for x in y:", "while True:", "match a:\n  case [x, *_]:",
]  # fmt: skip


def _nest(draw: DrawFn, text: str) -> str:
    """An expression nested deep."""
    start, end = draw(st.sampled_from(_spans(text) or [(0, 0)]))
    depth = draw(st.sampled_from([1, 3, 20, 90]))
    data = text.encode()
    before, middle, after = (part.decode() for part in (data[:start], data[start:end], data[end:]))
    opening, closing = draw(st.sampled_from(_AROUND))
    return before + opening * depth + middle + closing * depth + after


def _into_block(draw: DrawFn, text: str) -> str:
    """All of it, or some lines of it, put into a block."""
    head, lines = draw(st.sampled_from(_HEADS)), text.split("\n")
    start = draw(st.sampled_from([0, draw(st.integers(0, len(lines)))]))
    indent = re.match(r"\s*", (lines[start:] or [""])[0])
    before = indent[0] if indent is not None else ""
    moved = [f"    {line}" for line in lines[start:]]
    return "\n".join([*lines[:start], f"{before}{head}", *moved])


# Any of these, and those of them that leave code that can be parsed more often than not.
CHANGES: list[Change] = [
    _drop, _truncate, _insert, _change_lines, _change_token, _rename, _swap_nodes, _graft, _append,
    _nest, _into_block,
]  # fmt: skip
GENTLE: list[Change] = [
    _change_lines, _rename, _swap_nodes, _swap_nodes, _graft, _append, _change_token, _nest,
    _into_block,
]  # fmt: skip


@st.composite
def codes(draw: DrawFn, whole: bool) -> str:
    """A case of a rule, changed a few times; `whole` where it is to be parsed as before."""
    text = draw(st.sampled_from(SEEDS))
    for change in draw(st.lists(st.sampled_from(GENTLE if whole else CHANGES), max_size=6)):
        changed = change(draw, text)
        if not whole or _spans(changed):
            text = changed
    return text


def _spelled(draw: DrawFn, text: str) -> bytes:
    """A text as a file has it: line ends, form feeds, a mark at the start, an encoding."""
    end = draw(st.sampled_from(["\n", "\n", "\r\n", "\r", "\n\x0c"]))
    data = text.replace("\n", end).encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 5)) == 0:
        data = codecs.BOM_UTF8 + data
    if draw(st.integers(0, 9)) == 0:
        name = draw(st.sampled_from(["utf-8", "latin-1", "shift_jis", "iso2022_jp", "utf-7", "x"]))
        data = b"# coding: " + name.encode() + b"\n" + data
    return data


def _broken(draw: DrawFn, data: bytes) -> bytes:
    """Bytes changed without regard to what they mean, seldom."""
    if draw(st.integers(0, 4)):
        return data
    at = draw(st.integers(0, len(data)))
    if draw(st.booleans()):
        return data[:at] + draw(st.binary(max_size=4)) + data[at + 1 :]
    return data[:at]


@st.composite
def scripts(draw: DrawFn, whole: bool) -> Subject:
    """A Python file."""
    data = _spelled(draw, draw(codes(whole)))
    return Subject("a.py", data if whole else _broken(draw, data))


@st.composite
def notebooks(draw: DrawFn, whole: bool) -> Subject:
    """A notebook whose cells are the parts of a code, with magics between them."""
    cells: list[object] = []
    for part in re.split(r"\n\n+", draw(codes(whole))):
        source = part
        if draw(st.integers(0, 3)) == 0:
            source = f"{draw(st.sampled_from(_MAGICS))}\n{part}"
        lines: object = source.splitlines(keepends=True) if draw(st.booleans()) else source
        kind = "code" if draw(st.integers(0, 5)) else "markdown"
        outputs = {"outputs": [], "execution_count": 1} if kind == "code" else {}
        cells.append({"cell_type": kind, "metadata": {}, "source": lines, **outputs})
    notebook = {"cells": cells, "metadata": {"a": 1e-10}, "nbformat": 4, "nbformat_minor": 4}
    plain, indent = draw(st.booleans()), draw(st.sampled_from([None, 1, 4]))
    text = json.dumps(notebook, ensure_ascii=plain, indent=indent)
    return Subject("a.ipynb", _broken(draw, text.encode("utf-8", "surrogatepass")))


@st.composite
def documents(draw: DrawFn, whole: bool) -> Subject:
    """A document with a code in it, in one of the ways in which documents have it."""
    code, name = draw(codes(whole)), draw(st.sampled_from(["a.md", "a.rst", "a.txt"]))
    before, head, tail = draw(st.sampled_from([
        ("", "```python\n", "\n```"), ("   ", "1. x\n\n   ```py\n", "\n   ```"),
        ("", "~~~~\n", "\n~~~~"), ("    ", "Say:\n\n", ""),
        ("> ", "> ```python\n", "\n> ```"), (">>> ", "```pycon\n", "\n```"),
        ("    ", ".. code-block:: python\n\n", ""), ("   ", "Say::\n\n", ""), ("\t", "", ""),
    ]))  # fmt: skip
    body = "\n".join(before + line for line in code.split("\n"))
    claim = "# Training\n\nThe code below clips the gradients to a norm of 1.\n\n"
    text = f"{claim}{head}{body}{tail}\n\n{claim}"
    for change in draw(st.lists(st.sampled_from([_drop, _insert, _change_token]), max_size=2)):
        text = change(draw, text)
    return Subject(name, _broken(draw, _spelled(draw, text)))


_WRITTEN_BY_NOBODY = st.one_of(hypothesmith.from_grammar(), hypothesmith.from_node())


@st.composite
def generated(draw: DrawFn) -> Subject:
    """Python that no one wrote, after a case that the rules have something to say of."""
    code = f"{draw(st.sampled_from(SEEDS))}\n{draw(_WRITTEN_BY_NOBODY)}"
    return Subject("a.py", code.encode("utf-8", "surrogatepass"))


def files(whole: bool) -> SearchStrategy[Subject]:
    """Files of every kind, most of them Python."""
    script = scripts(whole)
    return st.one_of(script, script, notebooks(whole), documents(whole))
