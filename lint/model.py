"""The `Script`: all that a rule may ask about one script."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import libcst as cst

from trainlint.finding import Edit, Location
from trainlint.lint.feeds import Plain, without_feeds
from trainlint.lint.lower.scopes import Names
from trainlint.lint.lower.syntax import WAYS_OUT, dotted, is_same_again, statements
from trainlint.lint.lower.values import Carry, Class, Obj, Value
from trainlint.lint.positions import Positions
from trainlint.lint.source import Source
from trainlint.lint.torch_api import OLDEST_TARGET

if TYPE_CHECKING:
    from trainlint.lint.project import Project


@dataclass(frozen=True, eq=False)
class Site:
    """A node of a script; its position is worked out only when it is asked for."""

    script: Script
    node: cst.CSTNode

    @property
    def location(self) -> Location:
        """Where the node stands in the original file."""
        return self.script.location(self.node)

    @property
    def text(self) -> str:
        """The node's own source text."""
        name = dotted(self.node)
        return name if name is not None else self.script.module.code_for_node(self.node).strip()


@dataclass(eq=False)
class Loop:
    """A `for` or `while`.

    `over` is what a `for` runs over, wrappers such as `enumerate` and `tqdm` taken off; `index` is
    the name that counts its iterations from `enumerate`. `counter` is the value that counts them,
    from `enumerate` or `range`. `carries` are the names and attributes that a pass changes.
    """

    site: Site
    kind: str
    over: Value = field(default_factory=Value)
    over_text: str = ""
    index: str | None = None
    start: Value | None = None
    counter: Value | None = None
    carries: list[Carry] = field(default_factory=list)

    @property
    def heading(self) -> Location:
        """The loop's first line, from `for` to the colon."""
        node = self.site.node
        body = getattr(node, "body", None)
        line, column, _, _ = self.site.script.range(node)
        if not isinstance(body, cst.BaseSuite):
            return self.site.location
        last = node.iter if isinstance(node, cst.For) else getattr(node, "test", node)
        _, _, end_line, end_column = self.site.script.range(last)
        return self.site.script.source.location(line, column, end_line, end_column)

    @property
    def leaves_at_once(self) -> bool:
        """Whether its first pass is its last: the body ends in an unconditional way out."""
        body = getattr(self.site.node, "body", None)
        last = list(statements(body))[-1:] if isinstance(body, cst.BaseSuite) else []
        return any(isinstance(node, WAYS_OUT) for node in last)


@dataclass(eq=False)
class Condition:
    """A test that must hold for an event to happen.

    `implicit` where an earlier `continue`, `break` or `return` left otherwise.
    """

    site: Site
    value: Value
    taken: bool
    implicit: bool = False
    depth: int = 0  # how many loops it stands in
    body: cst.CSTNode | None = None  # the suite that runs under it

    @property
    def periodic(self) -> bool:
        """Whether it is a modulo test, true again and again as a loop runs."""
        return any(getattr(part, "op", "") == "%" for part in _parts(self.value))

    @property
    def leaves(self) -> bool:
        """Whether what runs under it leaves the loop or the function at its end."""
        if not isinstance(self.body, cst.BaseSuite):
            return False
        return any(isinstance(node, WAYS_OUT) for node in statements(self.body))


def _parts(value: Value) -> Iterator[Value]:
    yield value
    for part in getattr(value, "parts", ()):
        yield from _parts(part)


@dataclass(frozen=True, eq=False)
class Argument:
    """One argument of a call."""

    keyword: str | None
    value: Value
    site: Site
    star: str = ""  # `*` or `**` before it

    @cached_property
    def text(self) -> str:
        """Its source text."""
        return self.star + self.site.text


@dataclass(frozen=True, eq=False)
class Context:
    """A `with`, or a decorator, around an event: `torch.no_grad`, and what it was made with."""

    name: str
    value: Value
    site: Site


@dataclass(frozen=True, eq=False)
class Event:
    """Something that happens as the script runs, in program order.

    `loops` and `conditions` are those around it, outermost first, through all calls; `path` holds
    the call sites through which it was reached, `functions` the functions, outermost first.
    """

    kind: str
    site: Site
    receiver: Value
    receiver_node: cst.CSTNode | None
    callee: str  # qualified name or method name
    args: tuple[Argument, ...]
    loops: tuple[Loop, ...]
    conditions: tuple[Condition, ...]
    contexts: tuple[Context, ...]
    path: tuple[Site, ...]
    functions: tuple[cst.CSTNode, ...]
    result: Value
    scaler: Value | None = None  # of a step: the GradScaler that takes it

    @cached_property
    def receiver_text(self) -> str:
        """The receiver's source text."""
        return "" if self.receiver_node is None else Site(self.site.script, self.receiver_node).text

    @cached_property
    def receiver_name(self) -> str:
        """The same where it can be written once more and means the same object; else empty."""
        return self.receiver_text if is_same_again(self.receiver_text) else ""

    def within(self, *names: str) -> Context | None:
        """The innermost context of one of these names around it."""
        return next((one for one in reversed(self.contexts) if one.name in names), None)

    def argument(self, position: int, keyword: str) -> Argument | None:
        """The argument given at a position or by keyword; None where a `*` hides it."""
        plain = [arg for arg in self.args if arg.keyword is None]
        for arg in self.args:
            if arg.keyword == keyword:
                return arg
        before = plain[: position + 1]
        if len(before) > position and not any(arg.star for arg in before):
            return plain[position]
        return None

    @property
    def starred(self) -> bool:
        """Whether `*args` or `**kwargs` are handed over."""
        return any(arg.star for arg in self.args)


@dataclass(frozen=True)
class Claim:
    """Something that the script, or the text around it, says that the code does."""

    what: str  # "clip"
    where: str  # comment, docstring, help, prose
    location: Location
    text: str
    scope: cst.CSTNode | None  # the innermost function or class around it; None: the module


@dataclass
class Trace:
    """The events of one entry: the module's body, or a function that nothing here calls."""

    root: cst.CSTNode
    events: list[Event] = field(default_factory=list)


@dataclass
class Flow:
    """All traces of a script; not `complete` where following its calls cost too much."""

    traces: list[Trace]
    complete: bool
    classes: list[Class] = field(default_factory=list)


class ModelError(Exception):
    """Lowering a script failed: no rule that asks for this part of the model can answer."""


@contextmanager
def _lowering(part: str) -> Iterator[None]:
    try:
        yield
    except (RecursionError, ModelError):
        raise
    except Exception as error:
        raise ModelError(f"{part}: {type(error).__name__}: {error}") from error


_OF_TRAINING = (b".backward(", b"zero_grad(", b".step(", b"training_step")
_NEAR = 2  # imports of imports: a package's `__init__` stands between


@dataclass(eq=False)
class Script:
    """One script: its source, and what it is lowered to."""

    source: Source
    module: cst.Module
    project: Project | None = None  # where its imports of the same project are looked for
    target_torch: str = OLDEST_TARGET  # the release of torch that it is to run on

    # What follows is worked out when a rule first asks for it: most files need little of it. The
    # lowering is imported there, since it is written in terms of what this file defines.

    @cached_property
    def names(self) -> Names:
        """Scopes, bindings and uses."""
        from trainlint.lint.lower.names import lower_names

        with _lowering("names"):
            return lower_names(self.module, self.source.path)

    @cached_property
    def flow(self) -> Flow:
        """Values and events, by running the script in the abstract."""
        from trainlint.lint.lower.interpret import lower_flow

        with _lowering("flow"):
            return lower_flow(self)

    @cached_property
    def claims(self) -> list[Claim]:
        """What comments, docstrings, options and prose say that the code does."""
        from trainlint.lint.lower.claims import lower_claims

        with _lowering("claims"):
            return list(lower_claims(self))

    @cached_property
    def may_train(self) -> bool:
        """Whether it, or a file that it imports from, holds anything of a training loop."""
        path, data = self.source.path, self.source.data
        reached = [data] if self.project is None else self.project.reached(path, data, _NEAR)
        return any(word in one for one in reached for word in _OF_TRAINING)

    @property
    def traces(self) -> list[Trace]:
        """One trace per entry: the module's body, and each function that nothing here calls."""
        return self.flow.traces

    @property
    def classes(self) -> list[Class]:
        """The script's own classes, those in functions included."""
        return self.flow.classes

    @property
    def complete(self) -> bool:
        """Whether every call of the script's own functions could be followed."""
        return self.flow.complete

    @cached_property
    def _positions(self) -> Positions:
        return Positions(self.module, self._plain.code, self._plain.lines)

    @cached_property
    def _plain(self) -> Plain:
        return without_feeds(self.source.code)

    def range(self, node: cst.CSTNode) -> tuple[int, int, int, int]:
        """First line, column, last line, end column in `source.code`: lines from 1, columns 0."""
        line, column, last, end = self._positions.of(node)
        taken = self._plain.taken
        return line, column + taken.get(line, 0), last, end + taken.get(last, 0)

    def location(self, node: cst.CSTNode) -> Location:
        """Where a node stands in the original file."""
        return self.source.location(*self.range(node))

    def edit(self, node: cst.CSTNode, content: str) -> Edit | None:
        """Replace a node's text; None where the original has no byte for each position."""
        line, column, end_line, end_column = self.range(node)
        start = self.source.offset(line, column)
        end = self.source.offset(end_line, end_column)
        if start is None or end is None:
            return None
        return Edit(start, end, self.source.spelled(line, content))

    def insert_line(self, before: int, statement: str) -> Edit | None:
        """Put a line of its own before a line of the code, indented as that one is."""
        lines = self.source.code_lines
        if before > len(lines):
            return None
        indent = lines[before - 1][: len(lines[before - 1]) - len(lines[before - 1].lstrip())]
        at = self.source.offset(before, 0)
        if at is None:
            return None
        # What the document itself puts before the line: a list's indentation, a quote's mark.
        outer = self.source.text_before(before)
        text = f"{indent}{statement}{self.source.newline_at(before)}{outer}"
        return Edit(at, at, self.source.spelled(before, text))

    def append_line(self, after: int, statement: str, indent: str = "") -> Edit | None:
        """Put a line of its own after a line of the code, which may be the last of its block."""
        at = self.source.offset(after, len(self.source.code_lines[after - 1]))
        if at is None:
            return None
        outer = self.source.text_before(after)
        if outer.endswith("... ") and not indent:
            outer = f"{outer[:-4]}>>> "  # in a session, the next statement
        text = f"{self.source.newline_at(after)}{outer}{indent}{statement}"
        return Edit(at, at, self.source.spelled(after, text))

    def events(self, *kinds: str) -> Iterator[Event]:
        """The events of these kinds over all traces, in program order."""
        for trace in self.traces:
            for event in trace.events:
                if event.kind in kinds:
                    yield event

    @cached_property
    def whole(self) -> bool:
        """Whether this is a script meant to run, rather than an excerpt in a document.

        A Python file or notebook always is. A document's code is if it trains: it has a loop with
        backward and step, and makes what the loop uses (an optimizer, and a model class or data).
        """
        if self.source.kind != "document":
            return True
        trains = any(event.loops for event in self.events("backward"))
        made = {event.result.kind for event in self.events("make") if isinstance(event.result, Obj)}
        return trains and "optimizer" in made and bool(made & {"loader", "dataset", "module"})
