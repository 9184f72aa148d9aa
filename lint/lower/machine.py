"""What running a script in the abstract works on: the state, the stacks, and names in them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import libcst as cst

from trainlint.lint.lower import known
from trainlint.lint.lower.scopes import BUILTINS
from trainlint.lint.lower.state import State
from trainlint.lint.lower.syntax import dotted
from trainlint.lint.lower.values import (
    STILL,
    Bound,
    Choice,
    Class,
    Const,
    Expr,
    Frame,
    Func,
    Map,
    Obj,
    Package,
    Ref,
    Seq,
    Value,
    join,
    options_of,
)
from trainlint.lint.model import (
    Argument,
    Condition,
    Context,
    Event,
    Loop,
    Script,
    Site,
    Trace,
)

# What the evaluation of one script may cost, in nodes: a second or two.
BUDGET = 150_000
DEPTH = 12
MOST_IMPORTS = 40  # files of the project that one script draws in
# The same where nothing trains, and how often one function is followed there: libraries of models
# draw in each other, and call the same blocks in a hundred sizes.
FEW_IMPORTS = 4
MOST_FOLLOWS = 4

CONTENT = "<content>"  # the state's key for what a container holds, changed in place
LAST = "<last>"  # what was appended to a list last
SHARED = "<shared>"  # an object that code unseen here may hold, and change


def shared_names(script: Script) -> set[str]:
    """Declared global or nonlocal: any function may change them."""
    return {name for scope in script.names.scopes for name in scope.outer}


class Machine(ABC):
    """State, stacks and events; the classes below it add expressions, calls and statements."""

    def __init__(self, script: Script) -> None:
        self.script = script  # the file that the running code stands in
        self.root = script
        self.state = State()
        self.module_frame = Frame(script.module)
        self.frame = self.module_frame
        self.trace = Trace(script.module)
        self.traces: list[Trace] = []
        self.recording = True
        self.spent = 0
        self.loops: list[Loop] = []
        self.conditions: list[Condition] = []
        self.contexts: list[Context] = []
        self.path: list[Site] = []
        self.functions: list[cst.CSTNode] = []
        self.functions_made: dict[cst.CSTNode, Func] = {}
        self.classes_made: dict[cst.ClassDef, Class] = {}
        self.follows: Counter[cst.CSTNode] = Counter()  # how often each was
        self.followed: set[cst.CSTNode] = set()
        self.captured: set[Frame] = set()  # activations whose names a function made in them sees
        self.attributes: dict[tuple[Value, str], Value] = {}  # those that nothing has set
        self.shared_names = shared_names(script)
        self.constants: dict[cst.CSTNode, Const] = {}
        self.imported: dict[str, Package] = {}  # the project's modules, by path
        self.forwarded: dict[tuple[Value, bool], Value] = {}  # what each module's forward returned

    # -- small things --------------------------------------------------------------------------

    def site(self, node: cst.CSTNode) -> Site:
        return Site(self.script, node)

    def here(self) -> frozenset[Loop]:
        """The loops that are running: what is made now is made anew in each iteration."""
        return frozenset(self.loops)

    @abstractmethod
    def run_function(self, function: Func, args: tuple[Argument, ...], node: cst.CSTNode) -> Value:
        """Follow a call of the script's own function."""

    def record(
        self,
        kind: str,
        node: cst.CSTNode,
        *,
        receiver: Value | None = None,
        receiver_node: cst.CSTNode | None = None,
        callee: str = "",
        args: tuple[Argument, ...] = (),
        result: Value | None = None,
        scaler: Value | None = None,
    ) -> None:
        """Note an event, unless this is a trial pass through a loop."""
        if not self.recording:
            return
        self.trace.events.append(
            Event(
                kind,
                self.site(node),
                receiver or Value(),
                receiver_node,
                callee,
                args,
                tuple(self.loops),
                tuple(self.conditions),
                tuple(self.contexts),
                tuple(self.path),
                tuple(self.functions),
                result or Value(),
                scaler,
            )
        )

    def text(self, node: cst.CSTNode) -> str:
        name = dotted(node)
        return name if name is not None else self.script.module.code_for_node(node)

    # -- names ---------------------------------------------------------------------------------

    def lookup(self, name: str) -> Value:
        frame: Frame | None = self.frame.outer.get(name, self.frame)
        while frame is not None:
            value = self.state.get((frame, name)) or frame.settled.get(name)
            if value is not None:
                shared = name in self.shared_names and frame is not self.frame
                return self.loosened(value) if shared else value
            frame = frame.parent
        return Ref(None, f"builtins.{name}") if name in BUILTINS else Value()

    def loosened(self, value: Value) -> Value:
        """A plain number that others may change: it still has its value, not its standing."""
        if isinstance(value, (Const, Expr)):
            return Expr(None if value.varies == STILL else value.varies, "shared", (value,))
        return value

    def assign_name(self, name: str, value: Value) -> None:
        self.state[(self.frame.outer.get(name, self.frame), name)] = value

    def mutate(self, value: Value) -> None:
        """Note that a container's content changes here."""
        for option in options_of(value):
            self.state[(option, CONTENT)] = Value(self.here())
            if isinstance(option, Seq):
                self.state.remove((option, LAST))
            if isinstance(option, Obj):
                option.changed = True

    def escape(self, value: Value) -> None:
        """Code that cannot be seen gets hold of a value: what it holds may change any time."""
        for option in options_of(value):
            if isinstance(option, Bound):
                self.escape(option.receiver)
            elif isinstance(option, (Seq, Map)):
                self.state[(option, CONTENT)] = Value()
                self.state.remove((option, LAST))
                items = option.items if isinstance(option, Seq) else option.items.values()
                for item in items:
                    self.escape(item)
            elif not isinstance(option, (Const, Ref, Expr)):
                self.state[(option, SHARED)] = Value()
                self.state[(option, CONTENT)] = Value()

    def attribute_of(self, value: Value, name: str) -> Value:
        """`value.name`."""
        if isinstance(value, Choice):
            found = [self.attribute_of(option, name) for option in value.options]
            result = found[0]
            for other in found[1:]:
                result = join(result, other)
            return result
        if isinstance(value, Ref):
            return Ref(None, known.canonical(f"{value.name}.{name}"))
        if isinstance(value, Package):
            return self.member_of_package(value, name)
        stored = self.state.get((value, name))
        if stored is not None:
            return self.loosened(stored) if (value, SHARED) in self.state else stored
        return self.member_of(value, name)

    def member_of_package(self, package: Package, name: str) -> Value:
        """What a module of the project binds; a module below it; or a name that is not seen."""
        assert package.frame is not None
        stored = self.state.get((package.frame, name)) or package.frame.settled.get(name)
        if stored is not None:
            return stored
        below = self.import_module(f".{name}", package.path)
        return below if below is not None else Ref(None, f"{package.name}.{name}")

    @abstractmethod
    def import_module(self, name: str, importer: str) -> Package | None:
        """A module of the same project; None for any other."""

    def member_of(self, value: Value, name: str) -> Value:
        cls = value.cls if isinstance(value, Obj) else value if isinstance(value, Class) else None
        member = cls.find(name) if cls is not None else None
        if isinstance(member, Func):
            return self.bind_member(value, member, name)
        if member is not None:
            return member
        if isinstance(value, Obj) and value.kind == "namespace":
            return self.remembered(value, name, Value(STILL))
        if isinstance(value, Obj) and name == "module" and value.args:
            return value.args[0]  # what DataParallel wraps
        if isinstance(value, Obj) and name in ("grad", "data") and value.kind == "parameters":
            return Obj(None, "gradient" if name == "grad" else "parameters")
        return self.remembered(value, name, Bound(None, value, name))

    def bind_member(self, value: Value, member: Func, name: str) -> Value:
        if "builtins.property" in member.decorators or "functools.cached_property" in (
            member.decorators
        ):
            node = member.node
            assert node is not None
            plain = replace(member, decorators=())
            return self.run_function(plain, (Argument(None, value, self.site(node)),), node)
        if isinstance(value, Class) or "builtins.staticmethod" in member.decorators:
            return member
        return Bound(None, value, name, member)

    def remembered(self, value: Value, name: str, made: Value) -> Value:
        """The same unknown attribute is the same value each time."""
        return self.attributes.setdefault((value, name), made)

    @contextmanager
    def under(self, condition: Condition) -> Iterator[None]:
        """Evaluate under a condition."""
        self.conditions.append(condition)
        yield
        self.conditions.pop()
