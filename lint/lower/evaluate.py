"""Evaluating expressions: from a node to the `Value` that it holds, and to the events on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import libcst as cst

from trainlint.lint.lower import known
from trainlint.lint.lower.names import BUILTINS
from trainlint.lint.lower.syntax import constant_of, dotted, parameters
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
    Ref,
    Seq,
    Value,
    join,
    options_of,
    union_of,
)
from trainlint.lint.model import Argument, Condition, Event, Loop, Script, Site, Trace

State = dict[tuple[object, object], Value]

# What the evaluation of one script may cost, in nodes: some 200 times a long script's own size.
BUDGET = 400_000
DEPTH = 12

_CONTENT = "<content>"  # the state's key for what a container holds, changed in place
_SHARED = "<shared>"  # an object that code unseen here may hold, and change


class Evaluator:
    """Expressions and calls; `Interpreter` adds the statements."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.state: State = {}
        self.module_frame = Frame(script.module)
        self.frame = self.module_frame
        self.trace = Trace(script.module)
        self.recording = True
        self.spent = 0
        self.loops: list[Loop] = []
        self.conditions: list[Condition] = []
        self.contexts: list[str] = []
        self.path: list[Site] = []
        self.functions: list[cst.CSTNode] = []
        self.functions_made: dict[cst.CSTNode, Func] = {}
        self.followed: set[cst.CSTNode] = set()
        self.shared_names = {
            name for scope in script.names.scopes for name in scope.outer
        }  # declared global or nonlocal: any function may change them
        self.constants: dict[cst.CSTNode, Const] = {}

    # -- small things --------------------------------------------------------------------------

    def site(self, node: cst.CSTNode) -> Site:
        return Site(self.script, node)

    def here(self) -> frozenset[Loop]:
        """The loops that are running: what is made now is made anew in each iteration."""
        return frozenset(self.loops)

    def run_function(self, function: Func, args: tuple[Argument, ...], node: cst.CSTNode) -> Value:
        raise NotImplementedError  # pragma: no cover

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
    ) -> None:
        """Note an event, unless this is a trial pass through a loop."""
        if not self.recording:
            return
        text = self.text(receiver_node) if receiver_node is not None else ""
        self.trace.events.append(
            Event(
                kind,
                self.site(node),
                receiver or Value(),
                text,
                callee,
                args,
                tuple(self.loops),
                tuple(self.conditions),
                tuple(self.contexts),
                tuple(self.path),
                tuple(self.functions),
                result or Value(),
            )
        )

    def text(self, node: cst.CSTNode) -> str:
        name = dotted(node)
        return name if name is not None else self.script.module.code_for_node(node)

    # -- names ---------------------------------------------------------------------------------

    def lookup(self, name: str) -> Value:
        frame: Frame | None = self.frame.outer.get(name, self.frame)
        while frame is not None:
            value = self.state.get((frame, name))
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
            self.state[(option, _CONTENT)] = Value(self.here())

    def escape(self, value: Value) -> None:
        """Code that cannot be seen gets hold of a value: what it holds may change any time."""
        for option in options_of(value):
            if isinstance(option, Bound):
                self.escape(option.receiver)
            elif isinstance(option, (Seq, Map)):
                self.state[(option, _CONTENT)] = Value()
                items = option.items if isinstance(option, Seq) else option.items.values()
                for item in items:
                    self.escape(item)
            elif not isinstance(option, (Const, Ref, Expr)):
                self.state[(option, _SHARED)] = Value()
                self.state[(option, _CONTENT)] = Value()

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
        stored = self.state.get((value, name))
        if stored is not None:
            return self.loosened(stored) if (value, _SHARED) in self.state else stored
        return self.member_of(value, name)

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
            return self.run_function(Func(STILL, node, member.frame, member.owner), (), node)
        if isinstance(value, Class) or "builtins.staticmethod" in member.decorators:
            return member
        return Bound(None, value, name, member)

    def remembered(self, value: Value, name: str, made: Value) -> Value:
        """The same unknown attribute is the same value each time."""
        self.state[(value, name)] = made
        return made

    # -- expressions ---------------------------------------------------------------------------

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
            content = self.state.get((part, _CONTENT))
            if content is not None:
                found.append(content.varies)
        return union_of(found)

    def eval_binary(self, node: cst.BinaryOperation) -> Value:
        return self.eval_parts(_OPERATORS.get(type(node.operator), "?"), node.left, node.right)

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
        if isinstance(value, (Const, Expr)) or (isinstance(value, Choice)):
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
            changed = (container, _CONTENT) in self.state
            if isinstance(container, Map) and not changed and key.value in container.items:
                return container.items[key.value]
            if isinstance(container, Seq) and not changed and isinstance(key.value, int):
                if -len(container.items) <= key.value < len(container.items):
                    return container.items[key.value]
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
        function = Func(STILL, node, self.frame, owner, decorators)
        if isinstance(node, cst.FunctionDef):
            self.functions_made[node] = function
        return function

    def eval_comprehension(self, node: cst.BaseComp) -> Value:
        loop: cst.CompFor | None = node.for_in
        opened = 0
        saved = dict(self.state)
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

    # -- calls ---------------------------------------------------------------------------------

    def eval_call(self, node: cst.Call) -> Value:
        function = self.evaluate(node.func)
        args = tuple(self.evaluate_argument(arg) for arg in node.args)
        result: Value | None = None
        for option in options_of(function):
            value = self.call(option, args, node)
            result = value if result is None else join(result, value)
        return result or Value()

    def evaluate_argument(self, arg: cst.Arg) -> Argument:
        value = self.evaluate(arg.value)
        keyword = arg.keyword.value if arg.keyword is not None else None
        return Argument(keyword, value, self.site(arg.value), arg.star + self.text(arg.value))

    def call(self, function: Value, args: tuple[Argument, ...], node: cst.Call) -> Value:
        if isinstance(function, Func):
            return self.run_function(function, args, node)
        if isinstance(function, Class):
            return self.instantiate(function, args, node)
        if isinstance(function, Bound):
            return self.call_method(function, args, node)
        if isinstance(function, Ref):
            return self.call_known(known.canonical(function.name), args, node)
        if isinstance(function, Obj) and function.kind in ("module", "loss"):
            return self.call_module(function, args, node)
        return self.call_opaque(function, args, node, self.text(node.func))

    def call_module(self, module: Obj, args: tuple[Argument, ...], node: cst.Call) -> Value:
        kind = "forward" if module.kind == "module" else "loss"
        result = Obj(None, "output", args=(module, *(arg.value for arg in args)))
        self.record(kind, node, receiver=module, receiver_node=node.func, args=args, result=result)
        return result

    def call_opaque(
        self, function: Value, args: tuple[Argument, ...], node: cst.Call, name: str
    ) -> Value:
        """A callee that cannot be seen: it may do anything to what it is handed."""
        for arg in args:
            self.escape(arg.value)
        result = Value()
        self.record("opaque", node, receiver=function, receiver_node=node.func, callee=name,
                    args=args, result=result)  # fmt: skip
        return result

    def call_known(self, name: str, args: tuple[Argument, ...], node: cst.Call) -> Value:
        values = tuple(arg.value for arg in args)
        kind = known.made_by(name)
        if kind is not None:
            return self.make(kind, name, args, node)
        if name == "builtins.super":
            return self.super_of()
        if name == "builtins.getattr" and len(values) > 1 and isinstance(values[1], Const):
            return self.attribute_of(values[0], str(values[1].value))
        if name == "builtins.setattr" and values:
            self.escape(values[0])
        if name == "functools.partial" and values:
            return values[0] if len(values) == 1 else Value()
        if name in known.PURE or name in known.ITERATES_FIRST:
            return Expr(self.varies_of(values), name, values)
        if not known.is_inert(name):
            return self.call_opaque(Ref(None, name), args, node, name)
        for value in values:
            if isinstance(value, (Func, Bound)):
                self.escape(value)
        result: Value = Obj(None, "output", name, self.site(node), values)
        self.record(known.CALL_EVENTS.get(name, "call"), node, callee=name, args=args,
                    result=result)  # fmt: skip
        return result

    def make(self, kind: str, name: str, args: tuple[Argument, ...], node: cst.Call) -> Value:
        plain = tuple(arg.value for arg in args if arg.keyword is None)
        named = {arg.keyword: arg.value for arg in args if arg.keyword is not None}
        made = Obj(self.here(), kind, name, self.site(node), plain, named)
        self.record("make", node, callee=name, args=args, result=made)
        return made

    def super_of(self) -> Value:
        """`super()`: the instance of the running method, seen from its class's bases."""
        owner = next((f for f in reversed(self.functions) if f in self.functions_made), None)
        function = self.functions_made.get(owner) if owner is not None else None
        first = next(parameters(function.node.params), None) if function and function.node else None
        if function is None or function.owner is None or first is None:
            return Value()
        return Expr(None, "super", (self.lookup(first.name.value), function.owner))

    def instantiate(self, cls: Class, args: tuple[Argument, ...], node: cst.CSTNode) -> Value:
        kind = known.kind_of_class(tuple(cls.roots()))
        plain = tuple(arg.value for arg in args if arg.keyword is None)
        named = {arg.keyword: arg.value for arg in args if arg.keyword is not None}
        made = Obj(self.here(), kind, "", self.site(node), plain, named, cls)
        self.record("make", node, callee=cls.name, args=args, result=made)
        init = cls.find("__init__")
        if isinstance(init, Func):
            self.run_method(made, init, args, node)
        elif any(root == "?" or not known.is_inert(root) for root in cls.roots()):
            self.escape(made)
            for arg in args:
                self.escape(arg.value)
        return made

    def run_method(
        self, receiver: Value, function: Func, args: tuple[Argument, ...], node: cst.CSTNode
    ) -> Value:
        if "builtins.staticmethod" in function.decorators:
            return self.run_function(function, args, node)
        first = Argument(None, receiver, self.site(node), "")
        return self.run_function(function, (first, *args), node)

    def call_method(self, bound: Bound, args: tuple[Argument, ...], node: cst.Call) -> Value:
        receiver, name = bound.receiver, bound.name
        if isinstance(receiver, Expr) and receiver.op == "super":
            return self.call_super(receiver, name, args, node)
        receiver_node = node.func.value if isinstance(node.func, cst.Attribute) else node.func
        kind = known.METHOD_EVENTS.get(name)
        result = self.method_result(bound, args, node, kind)
        if kind is not None:
            target = receiver
            if kind == "step" and _kind(receiver) == "scaler" and args:
                target = args[0].value
            self.record(kind, node, receiver=target, receiver_node=receiver_node, callee=name,
                        args=args, result=result)  # fmt: skip
        elif bound.function is None and not self.is_known(receiver):
            self.record("opaque", node, receiver=receiver, receiver_node=receiver_node,
                        callee=name, args=args, result=result)  # fmt: skip
        else:
            self.record("method", node, receiver=receiver, receiver_node=receiver_node,
                        callee=name, args=args, result=result)  # fmt: skip
        return result

    def is_known(self, receiver: Value) -> bool:
        """Whether the methods of a value do nothing to what they are handed."""
        if isinstance(receiver, Obj):
            if receiver.cls is not None and "?" in receiver.cls.roots():
                return False
            return receiver.kind in known.KNOWN_KINDS
        return isinstance(receiver, (Const, Seq, Map, Expr))

    def method_result(
        self, bound: Bound, args: tuple[Argument, ...], node: cst.Call, kind: str | None
    ) -> Value:
        receiver, name = bound.receiver, bound.name
        if bound.function is not None:
            return self.run_method(receiver, bound.function, args, node)
        if _kind(receiver) == "parser" and name in ("parse_args", "parse_known_args"):
            space = Obj(STILL, "namespace", site=self.site(node))
            return Seq(STILL, (space, Value())) if name == "parse_known_args" else space
        if name in ("parameters", "named_parameters"):
            return Obj(self.here(), "parameters", args=(receiver,))
        if name in ("items", "values", "keys", "get", "copy", "format", "join", "split"):
            values = (receiver, *(arg.value for arg in args))
            return Expr(self.varies_of(values), name, values)
        if name in known.RETURNS_SELF and not isinstance(receiver, (Const, Seq, Map)):
            return receiver
        if isinstance(receiver, (Seq, Map)):
            self.mutate(receiver)
            return Value()
        if kind is None and not self.is_known(receiver):
            self.mutate(receiver)
            self.escape(receiver)
            for arg in args:
                self.escape(arg.value)
        return Value()

    def call_super(
        self, value: Expr, name: str, args: tuple[Argument, ...], node: cst.Call
    ) -> Value:
        receiver, owner = value.parts
        assert isinstance(owner, Class)
        for base in owner.mro()[1:]:
            member = base.members.get(name)
            if isinstance(member, Func):
                return self.run_method(receiver, member, args, node)
        if any(root == "?" or not known.is_inert(root) for root in owner.roots()):
            self.escape(receiver)
        return Value()

    @contextmanager
    def under(self, condition: Condition) -> Iterator[None]:
        """Evaluate under a condition."""
        self.conditions.append(condition)
        yield
        self.conditions.pop()


def _kind(value: Value) -> str:
    return value.kind if isinstance(value, Obj) else ""


def _with_varies(value: Value, varies: frozenset[Loop] | None) -> Value:
    if value.varies == varies:
        return value
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
    cst.Call: Evaluator.eval_call,
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
