"""Evaluating calls: known ones by what they make and do, the script's own by following them."""

from __future__ import annotations

import re

import libcst as cst

from trainlint.lint.lower import known
from trainlint.lint.lower.evaluate import Evaluator
from trainlint.lint.lower.syntax import parameters
from trainlint.lint.lower.values import (
    STILL,
    Bound,
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
    options_of,
    union_of,
)
from trainlint.lint.model import Argument

_TENSOR = re.compile(r"torch\.[a-z]\w*$")
_IN_PLACE = re.compile(r"[a-z]\w*[a-z0-9]_$")


class Caller(Evaluator):
    """Calls."""

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
        # A tensor is what it was made as, until a method changes it; of others nothing is known.
        varies = union_of([self.here(), self.varies_of(values)]) if _TENSOR.match(name) else None
        result: Value = Obj(varies, "output", name, self.site(node), values)
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
        if _IN_PLACE.match(name):
            self.mutate(receiver)
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


def _kind(value: Value) -> str:
    return value.kind if isinstance(value, Obj) else ""
