"""Running simple statements: assignments, imports, ways out."""

from __future__ import annotations

from dataclasses import dataclass, field

import libcst as cst

from trainlint.lint.lower import known
from trainlint.lint.lower.callees import gives_index
from trainlint.lint.lower.calls import Caller, unwrapped
from trainlint.lint.lower.state import State
from trainlint.lint.lower.syntax import dotted
from trainlint.lint.lower.values import (
    STILL,
    Bound,
    Choice,
    Const,
    Expr,
    Frame,
    Map,
    Obj,
    Package,
    Ref,
    Seq,
    Value,
    join,
    options_of,
    union_of,
)
from trainlint.lint.model import Argument, Script


@dataclass
class Exits:
    """States in which a loop or function was left before its end."""

    states: list[State] = field(default_factory=list)
    again: list[State] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)


class Statements(Caller):
    """Simple statements."""

    def __init__(self, script: Script) -> None:
        super().__init__(script)
        self.dead = False
        self.leaving: dict[cst.CSTNode, bool] = {}
        self.yielding: dict[cst.CSTNode, bool] = {}
        self.loop_exits: list[Exits] = []
        self.items_set: dict[Value, set[tuple[str, object]]] = {}  # keys ever set in a container
        self.returns: list[Exits] = []

    def expression(self, node: cst.Expr) -> None:
        value = self.evaluate(node.value)
        if isinstance(node.value, cst.Attribute):
            self.record_attribute("bare", node.value, value)

    def record_attribute(self, kind: str, node: cst.Attribute, value: Value) -> None:
        """Note what becomes of an attribute; its owner was evaluated with it."""
        receiver = value.receiver if isinstance(value, Bound) else Value()
        self.record(kind, node, receiver=receiver, receiver_node=node.value,
                    callee=node.attr.value, result=value)  # fmt: skip

    def assign(self, node: cst.Assign) -> None:
        value = self.evaluate(node.value)
        for target in node.targets:
            self.assign_to(target.target, value)

    def ann_assign(self, node: cst.AnnAssign) -> None:
        if node.value is not None:
            self.assign_to(node.target, self.evaluate(node.value))

    def aug_assign(self, node: cst.AugAssign) -> None:
        left, right = self.evaluate(node.target), self.evaluate(node.value)
        op = _AUGMENTED.get(type(node.operator), "?")
        if isinstance(left, (Seq, Map)):
            self.mutate(left)
        varies = union_of([left.varies, right.varies])
        if isinstance(left, Obj):
            varies = None
        result = Expr(varies, op, (left, right))
        if op == "/":
            self.record_average(node, result, node.target, node.value)
        given = (Argument(None, right, self.site(node.value)),)
        self.record("augment", node, receiver=left, receiver_node=node.target, callee=op,
                    args=given, result=result)  # fmt: skip
        self.assign_to(node.target, result)

    def assign_to(self, target: cst.CSTNode, value: Value) -> None:
        if isinstance(target, cst.Name):
            self.assign_name(target.value, value)
        elif isinstance(target, (cst.Tuple, cst.List)):
            self.unpack(target, value)
        elif isinstance(target, cst.Attribute):
            self.assign_attribute(target, value)
        elif isinstance(target, cst.Subscript):
            self.assign_item(target, value)

    def assign_attribute(self, target: cst.Attribute, value: Value) -> None:
        owners = options_of(self.evaluate(target.value))
        name = target.attr.value
        for owner in owners:
            self.record("set_attribute", target, receiver=owner, receiver_node=target.value,
                        callee=name, result=value)  # fmt: skip
            if isinstance(owner, Obj) and (owner.cls is None or name == "forward"):
                owner.layers[name] = value
            if name == "grad":
                self.record("set_grad", target, receiver=owner, receiver_node=target.value,
                            result=value)  # fmt: skip
            elif len(owners) == 1:
                self.state[(owner, name)] = value
            else:
                self.state[(owner, name)] = join(self.attribute_of(owner, name), value)

    def assign_item(self, target: cst.Subscript, value: Value) -> None:
        container = self.evaluate(target.value)
        keys = [self.evaluate_slice(element.slice) for element in target.slice]
        self.mutate(container)
        self.record("set_item", target, receiver=container, receiver_node=target.value,
                    result=value)  # fmt: skip
        for name in self.items_set.get(container, ()):
            self.state.remove((container, name))
        if len(keys) == 1 and isinstance(keys[0], Const):
            name = ("item", keys[0].value)
            self.items_set.setdefault(container, set()).add(name)
            self.state[(container, name)] = value

    def unpack(self, target: cst.Tuple | cst.List, value: Value) -> None:
        value = _as_sequence(value)
        plain = all(isinstance(element, cst.Element) for element in target.elements)
        items = value.items if isinstance(value, Seq) else ()
        fits = plain and len(items) == len(target.elements)
        for index, element in enumerate(target.elements):
            if fits:
                self.assign_to(element.value, items[index])
            elif isinstance(value, Expr) and value.op == "comprehension":
                self.assign_to(element.value, value.parts[0])
            else:
                self.assign_to(element.value, Value(value.varies))

    def return_(self, node: cst.Return) -> None:
        value = self.evaluate(node.value) if node.value is not None else Const(STILL, None)
        self.record("return", node, result=value)
        if self.returns:
            self.returns[-1].values.append(value)
            self.returns[-1].states.append(self.state)
        self.dead = True

    def raise_(self, node: cst.Raise) -> None:
        if node.exc is not None:
            self.evaluate(node.exc)
        self.dead = True

    def break_(self, node: cst.Break) -> None:
        if self.loop_exits:
            self.loop_exits[-1].states.append(self.state)
        self.dead = True

    def continue_(self, node: cst.Continue) -> None:
        if self.loop_exits:
            self.loop_exits[-1].again.append(self.state)
        self.dead = True

    def assert_(self, node: cst.Assert) -> None:
        self.evaluate(node.test)

    def delete(self, node: cst.Del) -> None:
        if isinstance(node.target, cst.Name):
            self.state.remove((self.frame, node.target.value))
        elif isinstance(node.target, cst.Attribute) and node.target.attr.value == "grad":
            self.record("set_grad", node.target, receiver=self.evaluate(node.target.value),
                        receiver_node=node.target.value, result=Const(STILL, None))  # fmt: skip
        elif isinstance(node.target, (cst.Subscript, cst.Attribute)):
            self.mutate(self.evaluate(node.target.value))

    def import_(self, node: cst.Import) -> None:
        for alias in node.names:
            name = dotted(alias.name) or ""
            if alias.asname is not None and isinstance(alias.asname.name, cst.Name):
                self.assign_name(alias.asname.name.value, self.module_called(name))
            else:
                first = name.split(".")[0]
                self.module_called(name)
                self.assign_name(first, self.module_called(first))

    def module_called(self, name: str) -> Value:
        package = self.import_module(name, self.script.source.path)
        return package if package is not None else Ref(None, name)

    def import_from(self, node: cst.ImportFrom) -> None:
        module = dotted(node.module) if node.module is not None else ""
        prefix = "." * len(node.relative) + (module or "")
        package = self.import_module(prefix, self.script.source.path)
        if isinstance(node.names, cst.ImportStar):
            if package is not None:
                self.import_all(package)
            return
        for alias in node.names:
            bound = alias.asname.name if alias.asname is not None else alias.name
            if isinstance(bound, cst.Name) and isinstance(alias.name, cst.Name):
                name = alias.name.value
                known_value = (
                    self.member_of_package(package, name)
                    if package is not None
                    else Ref(None, known.canonical(f"{prefix}.{name}"))
                )
                self.assign_name(bound.value, known_value)

    def import_all(self, package: Package) -> None:
        """`from module import *`: its names but those that begin with an underscore."""
        assert package.frame is not None
        for name, value in package.frame.settled.items():
            if not name.startswith("_"):
                self.assign_name(name, value)

    def global_(self, node: cst.Global | cst.Nonlocal) -> None:
        for item in node.names:
            name = item.name.value
            home: Frame | None = self.module_frame
            if isinstance(node, cst.Nonlocal):
                home = self.frame.parent
                while home is not None and (home, name) not in self.state:
                    home = home.parent
            self.frame.outer[name] = home or self.module_frame


def _as_sequence(value: Value) -> Value:
    """Of several tuples of one length, the path taken decides which: one tuple of choices."""
    if isinstance(value, Obj) and value.returned is not None:
        returned = _as_sequence(value.returned)
        return _outputs(value, returned) if isinstance(returned, Seq) else value
    if isinstance(value, Obj) and _is_of_recurrent(value):
        return _outputs(value, None)
    if gives_index(value):
        index = Expr(value.varies, "[]", (value, Const(STILL, 1)))
        return Seq(value.varies, (Value(value.varies), index))
    options = [option for option in options_of(value) if isinstance(option, Seq)]
    if not isinstance(value, Choice) or len(options) != len(value.options):
        return value
    if len({len(option.items) for option in options}) != 1:
        return value
    items = list(options[0].items)
    for option in options[1:]:
        items = [join(one, other) for one, other in zip(items, option.items, strict=True)]
    return Seq(value.varies, tuple(items))


def _is_of_recurrent(value: Obj) -> bool:
    """Whether a value is what a recurrent layer returns: a pair; and so is an LSTM's state."""
    module = unwrapped(value.args[0]) if value.kind == "output" and value.args else None
    return not value.qualname and isinstance(module, Obj) and module.qualname in known.RECURRENT


def _outputs(output: Obj, returned: Seq | None) -> Seq:
    """The several tensors that a module's forward returns, each an output of that module.

    What is `returned` is not seen of a layer of torch's: then they are two.
    """
    items = returned.items if returned is not None else (None, None)
    return Seq(output.varies, tuple(_item_of(output, item) for item in items))


def _item_of(output: Obj, item: Value | None) -> Obj:
    made = Obj(output.varies, "output", "", output.site, output.args, returned=item)
    made.again = output.again
    return made


_AUGMENTED: dict[type[cst.CSTNode], str] = {
    cst.AddAssign: "+",
    cst.SubtractAssign: "-",
    cst.MultiplyAssign: "*",
    cst.DivideAssign: "/",
    cst.FloorDivideAssign: "//",
    cst.ModuloAssign: "%",
}
