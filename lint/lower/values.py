"""Values: what an expression holds, as far as reading the script can tell.

A value is known by identity: two names that hold the same `Obj` hold the same optimizer. `varies`
says which loops can change it from one iteration to the next: the empty set for what stands
still, None where nobody can tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import libcst as cst

if TYPE_CHECKING:
    from trainlint.lint.model import Argument, Loop, Script, Site

Varies = frozenset["Loop"] | None
STILL: frozenset[Loop] = frozenset()


def union_of(parts: Sequence[Varies]) -> Varies:
    """What varies if any part varies; unknown if any part is."""
    result: frozenset[Loop] = STILL
    for part in parts:
        if part is None:
            return None
        result |= part
    return result


@dataclass(eq=False)
class Value:
    """Anything; on its own, a value of which nothing is known but what it varies with."""

    varies: Varies = None


@dataclass(eq=False)
class Const(Value):
    """A literal."""

    value: object = None


@dataclass(eq=False)
class Ref(Value):
    """Something imported, or a builtin, by its qualified name: `torch.optim.SGD`."""

    name: str = ""


@dataclass(eq=False)
class Expr(Value):
    """An operation on values: `+` of two, `len` of one, `[]` of a container and a key."""

    op: str = ""
    parts: tuple[Value, ...] = ()


@dataclass(eq=False)
class Obj(Value):
    """An instance: of a class of torch's (`qualname`), or of a class of the script's (`cls`).

    `kind` is what it is for training: module, optimizer, scheduler, scaler, loader, dataset,
    loss, writer, parameters, output, gradient, namespace, or object. An output is a tensor: what
    the function or method `qualname` (`Tensor.detach`) made of `args`, or, without a `qualname`,
    what the module that comes first in `args` made of the others.
    """

    kind: str = "object"
    qualname: str = ""
    site: Site | None = None
    args: tuple[Value, ...] = ()
    kwargs: dict[str, Value] = field(default_factory=dict)
    cls: Class | None = None
    returned: Value | None = None  # of an output: what the script's own `forward` returned
    again: bool = False  # of an output: at an earlier call, with what that one was given
    layers: dict[str, Value] = field(default_factory=dict)  # of a module: attributes set from afar
    changed: bool = False  # something is done to it in place, at one time or another


@dataclass(eq=False)
class Func(Value):
    """A function or lambda of the script's, with the frame that it closes over."""

    node: cst.FunctionDef | cst.Lambda | None = None
    frame: Frame | None = None
    owner: Class | None = None
    decorators: tuple[str, ...] = ()  # qualified names; `?` for one that is not known
    script: Script | None = None  # the file that it stands in

    @property
    def name(self) -> str:
        """The function's own name."""
        return self.node.name.value if isinstance(self.node, cst.FunctionDef) else "<lambda>"


@dataclass(eq=False)
class Class(Value):
    """A class of the script's."""

    node: cst.ClassDef | None = None
    bases: tuple[Value, ...] = ()
    members: dict[str, Value] = field(default_factory=dict)
    script: Script | None = None  # the file that it stands in

    @property
    def name(self) -> str:
        """The class's own name."""
        return self.node.name.value if self.node is not None else ""

    def mro(self) -> list[Class]:
        """This class and its bases of the script's, depth first."""
        found: list[Class] = [self]
        for base in self.bases:
            if isinstance(base, Class):
                found += [cls for cls in base.mro() if cls not in found]
        return found

    def roots(self) -> list[str]:
        """Qualified names of the bases that are not the script's own; `?` for unknown ones."""
        names = []
        for cls in self.mro():
            for base in cls.bases:
                if not isinstance(base, Class):
                    names.append(base.name if isinstance(base, Ref) else "?")
        return names

    def find(self, name: str) -> Value | None:
        """A member by name, inherited ones included."""
        for cls in self.mro():
            if name in cls.members:
                return cls.members[name]
        return None


@dataclass(eq=False)
class Bound(Value):
    """An attribute taken of a value: `optimizer.step`, before it is called."""

    receiver: Value = field(default_factory=Value)
    name: str = ""
    function: Func | None = None


@dataclass(eq=False)
class Partial(Value):
    """A `functools.partial`: a callee, and the arguments that it has been given so far."""

    function: Value = field(default_factory=Value)
    arguments: tuple[Argument, ...] = ()


@dataclass(eq=False)
class Package(Value):
    """A module of the same project: its variables are those of its frame."""

    name: str = ""
    path: str = ""
    frame: Frame | None = None


@dataclass(eq=False)
class Seq(Value):
    """A tuple, list or set whose items are known."""

    items: tuple[Value, ...] = ()


@dataclass(eq=False)
class Map(Value):
    """A dictionary whose keys are constants."""

    items: dict[object, Value] = field(default_factory=dict)


@dataclass(eq=False)
class Choice(Value):
    """One of several values, by the path taken."""

    options: tuple[Value, ...] = ()


@dataclass(eq=False)
class Frame:
    """One activation of a function; its variables live in the interpreter's state.

    What an imported file binds has `settled` once its body has run: it is kept apart from the
    state, which each branch copies.
    """

    node: cst.CSTNode
    parent: Frame | None = None
    outer: dict[str, Frame] = field(default_factory=dict)
    settled: dict[str, Value] = field(default_factory=dict)
    closed: bool = False  # the function has returned, and nothing that it made can see its names


@dataclass(frozen=True, eq=False)
class Carry:
    """What a name or an attribute brings from one pass of a loop into the next.

    `value` is what the passes that count find in it at their start, `before` what it held before
    the loop, `after` what a pass on trial left in it.
    """

    owner: object  # the frame of a name, the object of an attribute
    name: object
    before: Value
    after: Value
    value: Value


def options_of(value: Value) -> tuple[Value, ...]:
    """The values that a value may be."""
    return value.options if isinstance(value, Choice) else (value,)


def join(left: Value, right: Value) -> Value:
    """What holds after two paths meet."""
    if left is right:
        return left
    if isinstance(left, Const) and isinstance(right, Const):
        same = type(left.value) is type(right.value) and left.value == right.value
        if same and left.varies == right.varies:
            return left
    options: list[Value] = []
    for option in (*options_of(left), *options_of(right)):
        if all(option is not other for other in options):
            options.append(option)
    varies = union_of([left.varies, right.varies])
    if len(options) > 6:
        return Value(varies)
    return Choice(varies, tuple(options))
