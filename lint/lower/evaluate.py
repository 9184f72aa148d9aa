"""Evaluating expressions: from a node to the `Value` that it holds, and the events on the way."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import libcst as cst

from trainlint.lint.lower.machine import CONTENT, Machine
from trainlint.lint.lower.syntax import constant_of
from trainlint.lint.lower.values import (
    STILL,
    Choice,
    Class,
    Const,
    Expr,
    Func,
    Map,
    Obj,
    Ref,
    Seq,
    Value,
    join,
    union_of,
)
from trainlint.lint.model import Argument, Loop


class Evaluator(Machine):
    """All expressions but calls."""

    def evaluate(self, node: cst.CSTNode) -> Value:
        self.spent += 1
        handler = _EVALUATORS.get(type(node))
        return handler(self, node) if handler is not None else Value()

    def eval_name(self, node: cst.Name) -> Value:
        literal, value = constant_of(node)
        return self.constant(node, value) if literal else self.lookup(node.value)

    def constant(self, node: cst.CSTNode, value: object) -> Const:
        known_constant = self.constants.get(node)
        if known_constant is None:
            known_constant = self.constants[node] = Const(STILL, value)
        return known_constant

    def eval_literal(self, node: cst.CSTNode) -> Value:
        return self.constant(node, constant_of(node)[1])

    def eval_attribute(self, node: cst.Attribute) -> Value:
        return self.attribute_of(self.evaluate(node.value), node.attr.value)

    def eval_parts(self, op: str, *nodes: cst.CSTNode) -> Value:
        parts = tuple(self.evaluate(node) for node in nodes)
        return Expr(self.varies_of(parts), op, parts)

    def varies_of(self, parts: tuple[Value, ...]) -> frozenset[Loop] | None:
        """What a result computed from these varies with, their contents included."""
        found = [part.varies for part in parts]
        for part in parts:
            content = self.state.get((part, CONTENT))
            if content is not None:
                found.append(content.varies)
        return union_of(found)

    def eval_binary(self, node: cst.BinaryOperation) -> Value:
        op = _OPERATORS.get(type(node.operator), "?")
        value = self.eval_parts(op, node.left, node.right)
        if op == "/":
            self.record_average(node, value, node.left, node.right)
        return value

    def record_average(
        self, node: cst.CSTNode, value: Value, left: cst.CSTNode, right: cst.CSTNode
    ) -> None:
        """Note what is divided by a length: the dividend, and the length."""
        parts = value.parts if isinstance(value, Expr) else ()
        if len(parts) == 2 and _is_length(parts[1]):
            given = (Argument(None, part, self.site(at))
                     for part, at in zip(parts, (left, right), strict=True))  # fmt: skip
            self.record("average", node, args=tuple(given), result=value)

    def eval_unary(self, node: cst.UnaryOperation) -> Value:
        return self.eval_parts(type(node.operator).__name__.lower(), node.expression)

    def eval_boolean(self, node: cst.BooleanOperation) -> Value:
        op = "and" if isinstance(node.operator, cst.And) else "or"
        return self.eval_parts(op, node.left, node.right)

    def eval_comparison(self, node: cst.Comparison) -> Value:
        nodes = [node.left, *(target.comparator for target in node.comparisons)]
        op = "=="
        if len(node.comparisons) == 1 and not isinstance(node.comparisons[0].operator, cst.Equal):
            op = type(node.comparisons[0].operator).__name__
        return self.eval_parts(op, *nodes)

    def eval_conditional(self, node: cst.IfExp) -> Value:
        test = self.evaluate(node.test)
        value = join(self.evaluate(node.body), self.evaluate(node.orelse))
        if isinstance(value, (Const, Expr, Choice)):
            return _with_varies(value, union_of([value.varies, test.varies]))
        return value

    def eval_sequence(self, node: cst.Tuple | cst.List | cst.Set) -> Value:
        items: list[Value] = []
        plain = True
        for element in node.elements:
            item = self.evaluate(element.value)
            plain = plain and not isinstance(element, cst.StarredElement)
            items.append(item)
        varies = union_of([self.here(), *(item.varies for item in items)])
        return Seq(varies, tuple(items)) if plain else Value(varies)

    def eval_dict(self, node: cst.Dict) -> Value:
        items: dict[object, Value] = {}
        for element in node.elements:
            value = self.evaluate(element.value)
            if isinstance(element, cst.DictElement):
                key = self.evaluate(element.key)
                if isinstance(key, Const):
                    items[key.value] = value
        return Map(self.here(), items)

    def eval_subscript(self, node: cst.Subscript) -> Value:
        container = self.evaluate(node.value)
        keys = [self.evaluate_slice(element.slice) for element in node.slice]
        key = keys[0] if len(keys) == 1 else Seq(STILL, tuple(keys))
        return self.item_of(container, key)

    def evaluate_slice(self, node: cst.BaseSlice) -> Value:
        if isinstance(node, cst.Index):
            return self.evaluate(node.value)
        assert isinstance(node, cst.Slice)
        bounds = [b for b in (node.lower, node.upper, node.step) if b is not None]
        return self.eval_parts("slice", *bounds)

    def item_of(self, container: Value, key: Value) -> Value:
        if isinstance(key, Const):
            stored = self.state.get((container, ("item", key.value)))
            if stored is not None:
                return stored
            changed = (container, CONTENT) in self.state
            if isinstance(container, Map) and not changed and key.value in container.items:
                return container.items[key.value]
            if isinstance(container, Seq) and not changed:
                item = _item_at(container, key.value)
                if item is not None:
                    return item
        elif isinstance(container, Map) and (container, CONTENT) not in self.state:
            chosen = _chosen(container)
            if chosen is not None:
                return chosen
        return Expr(self.varies_of((container, key)), "[]", (container, key))

    def eval_formatted(self, node: cst.FormattedString) -> Value:
        nodes = [p.expression for p in node.parts if isinstance(p, cst.FormattedStringExpression)]
        return self.eval_parts("format", *nodes)

    def eval_concatenated(self, node: cst.ConcatenatedString) -> Value:
        literal, text = constant_of(node)
        return self.constant(node, text) if literal else self.eval_parts("+", node.left, node.right)

    def eval_named(self, node: cst.NamedExpr) -> Value:
        value = self.evaluate(node.value)
        if isinstance(node.target, cst.Name):
            self.assign_name(node.target.value, value)
        return value

    def eval_lambda(self, node: cst.Lambda) -> Value:
        return self.make_function(node, None, ())

    def make_function(
        self, node: cst.FunctionDef | cst.Lambda, owner: Class | None, decorators: tuple[str, ...]
    ) -> Func:
        function = Func(STILL, node, self.frame, owner, decorators, self.script)
        if isinstance(node, cst.FunctionDef):
            self.functions_made[node] = function
            self.captured.add(self.frame)
        return function

    def eval_comprehension(self, node: cst.BaseComp) -> Value:
        loop: cst.CompFor | None = node.for_in
        opened = 0
        saved = self.state.fork()
        while loop is not None:
            over = self.evaluate(loop.iter)
            running = Loop(self.site(loop), "comprehension", over)
            self.loops.append(running)
            opened += 1
            self.bind_unknown(loop.target, frozenset({running}), over)
            for test in loop.ifs:
                self.evaluate(test.test)
            loop = loop.inner_for_in
        if isinstance(node, cst.DictComp):
            self.evaluate(node.key)
            item = self.evaluate(node.value)
        else:
            assert isinstance(node, cst.BaseSimpleComp)
            item = self.evaluate(node.elt)
        del self.loops[len(self.loops) - opened :]
        self.state = saved
        return Expr(item.varies, "comprehension", (item,))

    def bind_unknown(self, target: cst.CSTNode, varies: frozenset[Loop], over: Value) -> None:
        if isinstance(target, cst.Name):
            base = self.varies_of((over,))
            value = Value(None if base is None else base | varies)
            self.assign_name(target.value, value if over.varies is not None else Value(varies))
        elif isinstance(target, (cst.Tuple, cst.List)):
            for element in target.elements:
                self.bind_unknown(element.value, varies, over)

    def eval_wrapped(self, node: cst.Await | cst.StarredElement) -> Value:
        return self.evaluate(node.expression if isinstance(node, cst.Await) else node.value)

    def eval_yield(self, node: cst.Yield) -> Value:
        value = node.value.item if isinstance(node.value, cst.From) else node.value
        if value is not None:
            self.escape(self.evaluate(value))
        return Value()

    @abstractmethod
    def eval_call(self, node: cst.Call) -> Value:
        """A call; `Caller` follows it."""


def _chosen(container: Map) -> Value | None:
    """One of a table's classes, functions or objects, by a key that is not known."""
    items = list(container.items.values())
    if not items or not all(isinstance(one, (Ref, Class, Func, Obj)) for one in items):
        return None
    value = items[0]
    for item in items[1:]:
        value = join(value, item)
    return value


def _is_length(value: Value) -> bool:
    """`len(x)`, or `float(len(x))`."""
    while isinstance(value, Expr) and value.op in ("builtins.float", "builtins.max"):
        value = value.parts[0]
    return isinstance(value, Expr) and value.op == "builtins.len"


def _item_at(container: Seq, index: object) -> Value | None:
    if isinstance(index, int) and -len(container.items) <= index < len(container.items):
        return container.items[index]
    return None


def _with_varies(value: Value, varies: frozenset[Loop] | None) -> Value:
    if value.varies == varies:
        return value
    if isinstance(value, Choice):
        return Choice(varies, value.options)
    return Expr(varies, "conditional", (value,))


_OPERATORS: dict[type[cst.CSTNode], str] = {
    cst.Add: "+",
    cst.Subtract: "-",
    cst.Multiply: "*",
    cst.Divide: "/",
    cst.FloorDivide: "//",
    cst.Modulo: "%",
    cst.Power: "**",
}

_EVALUATORS: dict[type[cst.CSTNode], Callable[..., Value]] = {
    cst.Name: Evaluator.eval_name,
    cst.Attribute: Evaluator.eval_attribute,
    cst.Call: lambda self, node: self.eval_call(node),
    cst.Integer: Evaluator.eval_literal,
    cst.Float: Evaluator.eval_literal,
    cst.SimpleString: Evaluator.eval_literal,
    cst.ConcatenatedString: Evaluator.eval_concatenated,
    cst.FormattedString: Evaluator.eval_formatted,
    cst.BinaryOperation: Evaluator.eval_binary,
    cst.UnaryOperation: Evaluator.eval_unary,
    cst.BooleanOperation: Evaluator.eval_boolean,
    cst.Comparison: Evaluator.eval_comparison,
    cst.IfExp: Evaluator.eval_conditional,
    cst.Tuple: Evaluator.eval_sequence,
    cst.List: Evaluator.eval_sequence,
    cst.Set: Evaluator.eval_sequence,
    cst.Dict: Evaluator.eval_dict,
    cst.Subscript: Evaluator.eval_subscript,
    cst.NamedExpr: Evaluator.eval_named,
    cst.Lambda: Evaluator.eval_lambda,
    cst.ListComp: Evaluator.eval_comprehension,
    cst.SetComp: Evaluator.eval_comprehension,
    cst.GeneratorExp: Evaluator.eval_comprehension,
    cst.DictComp: Evaluator.eval_comprehension,
    cst.Await: Evaluator.eval_wrapped,
    cst.StarredElement: Evaluator.eval_wrapped,
    cst.Yield: Evaluator.eval_yield,
}
