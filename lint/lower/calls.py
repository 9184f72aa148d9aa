"""Evaluating calls: known ones by what they make and do, the script's own by following them."""

from __future__ import annotations

import re

import libcst as cst

from trainlint.lint.lower import known
from trainlint.lint.lower.callees import in_place, kind_of, method_event, named
from trainlint.lint.lower.evaluate import Evaluator
from trainlint.lint.lower.machine import CONTENT, LAST
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
    Partial,
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
        return Argument(keyword, value, self.site(arg.value), arg.star)

    def call(self, function: Value, args: tuple[Argument, ...], node: cst.Call) -> Value:
        if isinstance(function, Func):
            return self.run_function(function, args, node)
        if isinstance(function, Class):
            return self.instantiate(function, args, node)
        if isinstance(function, Bound):
            return self.call_method(function, args, node)
        if isinstance(function, Ref):
            return self.call_known(known.canonical(function.name), args, node)
        if isinstance(function, Partial):
            return self.call(function.function, (*function.arguments, *args), node)
        if isinstance(function, Obj) and function.kind in ("module", "loss"):
            return self.call_module(function, args, node)
        if isinstance(function, Obj) and function.cls is not None:
            method = function.cls.find("__call__")
            if isinstance(method, Func):
                return self.run_method(function, method, args, node)
        return self.call_opaque(function, args, node, self.text(node.func))

    def call_module(self, module: Obj, args: tuple[Argument, ...], node: cst.Call) -> Value:
        kind = "forward" if module.kind == "module" else "loss"
        result = Obj(None, "output", "", self.site(node), (module, *(arg.value for arg in args)))
        self.record(kind, node, receiver=module, receiver_node=node.func, args=args, result=result)
        called = unwrapped(module)
        result.again = (called, self.recording) in self.forwarded
        result.returned = self.forward_of(called, args, node)
        return result

    def forward_of(self, module: Value, args: tuple[Argument, ...], node: cst.Call) -> Value | None:
        """What the script's own `forward` of a module returns.

        It is followed at the module's first call only: what it does is the same each time, and a
        deep model calls its layers often.
        """
        forward = module.cls.find("forward") if isinstance(module, Obj) and module.cls else None
        if not isinstance(forward, Func):
            return None
        if (module, "forward") in self.state:
            return Value()  # another one was put in its place
        known_result = self.forwarded.get((module, self.recording))
        if known_result is None:
            self.forwarded[module, self.recording] = Value()  # it may call itself
            known_result = self.run_method(module, forward, args, node)
            self.forwarded[module, self.recording] = known_result
        return known_result

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
        if name == "torch.nn.parallel.data_parallel" and values and kind_of(values[0]) == "module":
            assert isinstance(values[0], Obj)
            return self.call_module(values[0], args[1:2], node)
        if name == "builtins.getattr" and len(values) > 1 and isinstance(values[1], Const):
            return self.attribute_of(values[0], str(values[1].value))
        if name == "builtins.setattr" and values:
            self.escape(values[0])
        if name == "functools.partial" and args:
            return Partial(STILL, values[0], args[1:])
        if name in known.PURE or name in known.ITERATES_FIRST:
            return Expr(self.varies_of(values), name, values)
        if not known.is_inert(name):
            return self.call_opaque(Ref(None, name), args, node, name)
        for value in values:
            if isinstance(value, (Func, Bound)):
                self.escape(value)
        if values and kind_of(values[0]) == "output" and (_IN_PLACE.search(name) or in_place(args)):
            self.mutate(values[0])
        # A tensor is what it was made as, until a method changes it; of others nothing is known.
        varies = union_of([self.here(), self.varies_of(values)]) if _TENSOR.match(name) else None
        result: Value = Obj(varies, "output", name, self.site(node), values, named(args))
        self.record(known.CALL_EVENTS.get(name, "call"), node, callee=name, args=args,
                    result=result)  # fmt: skip
        return result

    def make(self, kind: str, name: str, args: tuple[Argument, ...], node: cst.Call) -> Value:
        made = Obj(self.here(), kind, name, self.site(node), self.positional(args), named(args))
        self.record("make", node, callee=name, args=args, result=made)
        return made

    def positional(self, args: tuple[Argument, ...]) -> tuple[Value, ...]:
        """The values given by position; a `*` of which the items are not known is one unknown."""
        values: list[Value] = []
        for arg in args:
            if arg.keyword is not None or arg.star == "**":
                continue
            values += self.items_of(arg.value) if arg.star else (arg.value,)
        return tuple(values)

    def items_of(self, value: Value) -> tuple[Value, ...]:
        """The items of a sequence; of one that is not known, one unknown, and its last if known."""
        if isinstance(value, Seq) and (value, CONTENT) not in self.state:
            return value.items
        last = self.state.get((value, LAST))
        if isinstance(value, Expr) and value.op == "+":
            added = self.items_of(value.parts[-1])
            last = added[-1] if added and isinstance(value.parts[-1], Seq) else None
        return (Value(),) if last is None else (Value(), last)

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
        plain = self.positional(args)
        made = Obj(self.here(), kind, "", self.site(node), plain, named(args), cls)
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
        first = Argument(None, receiver, self.site(node))
        return self.run_function(function, (first, *args), node)

    def call_method(self, bound: Bound, args: tuple[Argument, ...], node: cst.Call) -> Value:
        receiver, name = bound.receiver, bound.name
        if isinstance(receiver, Expr) and receiver.op == "super":
            return self.call_super(receiver, name, args, node)
        receiver_node = node.func.value if isinstance(node.func, cst.Attribute) else node.func
        kind = method_event(bound)
        if kind == "step":
            self.run_closures(args, node)
        result = self.method_result(bound, args, node, kind)
        if kind is not None:
            target, scaler = receiver, None
            if kind == "step" and kind_of(receiver) == "scaler" and args:
                target, scaler = args[0].value, receiver
            self.record(kind, node, receiver=target, receiver_node=receiver_node, callee=name,
                        args=args, result=result, scaler=scaler)  # fmt: skip
        elif bound.function is None and not self.is_known(receiver):
            self.record("opaque", node, receiver=receiver, receiver_node=receiver_node,
                        callee=name, args=args, result=result)  # fmt: skip
        else:
            self.record("method", node, receiver=receiver, receiver_node=receiver_node,
                        callee=name, args=args, result=result)  # fmt: skip
        return result

    def run_closures(self, args: tuple[Argument, ...], node: cst.Call) -> None:
        """`optimizer.step(closure)` calls the closure first."""
        for arg in args:
            method = isinstance(arg.value, Bound) and arg.value.function is not None
            if method or isinstance(arg.value, (Func, Partial)):
                self.call(arg.value, (), node)

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
        if kind_of(receiver) == "parser" and name in ("parse_args", "parse_known_args"):
            space = Obj(STILL, "namespace", site=self.site(node))
            return Seq(STILL, (space, Value())) if name == "parse_known_args" else space
        if name in ("parameters", "named_parameters"):
            return Obj(self.here(), "parameters", "", self.site(node), (receiver,))
        if name in ("items", "values", "keys", "get", "copy", "format", "join", "split"):
            values = (receiver, *(arg.value for arg in args))
            return Expr(self.varies_of(values), name, values)
        if name == "register_forward_hook" and isinstance(receiver, Obj):
            receiver.layers["forward"] = Value()  # its output may be another
        if name in known.RETURNS_SELF and not isinstance(receiver, (Const, Seq, Map)):
            if kind in ("train", "eval") and not self.is_known(receiver):
                self.escape(receiver)  # a trainer of someone else's, which trains what it holds
            return receiver
        if isinstance(receiver, (Seq, Map)):
            self.mutate(receiver)
            if name == "append" and len(args) == 1:
                self.state[(receiver, LAST)] = args[0].value
            return Value()
        if _IN_PLACE.match(name) or (name in known.ADDS_LAYERS and kind_of(receiver) == "module"):
            self.mutate(receiver)
        if kind is None and not self.is_known(receiver):
            self.mutate(receiver)
            self.escape(receiver)
            for arg in args:
                self.escape(arg.value)
        return self.tensor_result(receiver, name, args, node)

    def tensor_result(
        self, receiver: Value, name: str, args: tuple[Argument, ...], node: cst.Call
    ) -> Value:
        """The tensor that a tensor's method makes; nothing is known of other methods' results."""
        values = (receiver, *(arg.value for arg in args))
        if kind_of(receiver) == "scaler" and name == "scale":
            return Obj(None, "output", "GradScaler.scale", self.site(node), (*values[1:], receiver))
        plain = not isinstance(receiver, (Const, Seq, Map, Ref, Func, Class))
        tensor = kind_of(receiver) in ("output", "parameters", "gradient")
        unsure = kind_of(receiver) in ("", "object")
        if tensor or (plain and unsure and name in known.TENSOR_METHODS):
            return Obj(None, "output", f"Tensor.{name}", self.site(node), values)
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


def unwrapped(module: Value) -> Value:
    """The module whose `forward` a call runs: what DataParallel and the like wrap."""
    while isinstance(module, Obj) and module.qualname in known.WRAPS_MODULE and module.args:
        module = module.args[0]
    return module
