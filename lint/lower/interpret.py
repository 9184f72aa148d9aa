"""Running statements in the abstract: values flow, branches join, loops carry, calls are followed.

Each loop's body is run twice: a trial pass, which records nothing, finds what the body changes;
what it changes then varies with the loop in the pass that counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import libcst as cst

from trainlint.lint.lower import known
from trainlint.lint.lower.evaluate import BUDGET, DEPTH, Evaluator, State
from trainlint.lint.lower.syntax import children, contains_yield, dotted, parameters, statements
from trainlint.lint.lower.values import (
    STILL,
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
from trainlint.lint.model import Argument, Condition, Loop, Script, Site, Trace


@dataclass
class _Exits:
    """States in which a loop or function was left before its end."""

    states: list[State] = field(default_factory=list)
    again: list[State] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)


class Interpreter(Evaluator):
    """Runs a module, then every function that nothing in it calls."""

    def __init__(self, script: Script) -> None:
        super().__init__(script)
        self.dead = False
        self.loop_exits: list[_Exits] = []
        self.returns: list[_Exits] = []
        self.instances: dict[Class, Obj] = {}

    # -- entries -------------------------------------------------------------------------------

    def run(self) -> None:
        """Fill the script's traces."""
        self.script.traces.append(self.trace)
        self.block(self.script.module)
        after = self.state
        pending = True
        while pending:
            pending = False
            for node, function in list(self.functions_made.items()):
                if node not in self.followed:
                    pending = True
                    self.run_root(function, dict(after))
        self.script.complete = self.spent < BUDGET

    def run_root(self, function: Func, state: State) -> None:
        """Run a function as if someone called it, with arguments of which nothing is known."""
        assert function.node is not None
        self.state, self.dead = state, False
        args: tuple[Argument, ...] = ()
        if function.owner is not None and "builtins.staticmethod" not in function.decorators:
            receiver: Value = function.owner
            if "builtins.classmethod" not in function.decorators:
                receiver = self.instance_of(function.owner)
            args = (Argument(None, receiver, self.site(function.node), ""),)
        if function.node in self.followed:  # the instance's own making ran it
            return
        self.trace = Trace(function.node)
        self.script.traces.append(self.trace)
        self.run_function(function, args, function.node)
        self.followed.add(function.node)

    def instance_of(self, cls: Class) -> Obj:
        """An instance of a class, made with unknown arguments; one for all its methods."""
        self.trace = Trace(self.script.module)  # its making is told where `__init__` is the root
        kind = known.kind_of_class(tuple(cls.roots()))
        made = Obj(STILL, kind, site=self.site(cls.node) if cls.node else None, cls=cls)
        init = cls.find("__init__")
        if isinstance(init, Func) and init.node is not None:
            followed = init.node in self.followed
            first = Argument(None, made, self.site(init.node), "")
            self.run_function(init, (first,), init.node)
            if not followed:
                self.trace.root = init.node
                self.script.traces.append(self.trace)
        return made

    # -- blocks --------------------------------------------------------------------------------

    def block(self, body: cst.BaseSuite | cst.Module) -> None:
        pushed = 0
        for statement in statements(body):
            if self.dead:
                break
            self.statement(statement)
            if isinstance(statement, cst.If) and not self.dead and _may_leave(statement):
                self.conditions.append(
                    Condition(self.site(statement.test), self.evaluate_quietly(statement.test),
                              False, implicit=True, depth=len(self.loops))
                )  # fmt: skip
                pushed += 1
        del self.conditions[len(self.conditions) - pushed :]

    def evaluate_quietly(self, node: cst.CSTNode) -> Value:
        recording, self.recording = self.recording, False
        value = self.evaluate(node)
        self.recording = recording
        return value

    def statement(self, node: cst.CSTNode) -> None:
        self.spent += 1
        handler = _STATEMENTS.get(type(node))
        if handler is not None:
            handler(self, node)

    # -- simple statements ---------------------------------------------------------------------

    def expression(self, node: cst.Expr) -> None:
        self.evaluate(node.value)

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
        self.assign_to(node.target, Expr(varies, op, (left, right)))

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
        for name in [n for n in self.state if n[0] is container and isinstance(n[1], tuple)]:
            del self.state[name]
        if len(keys) == 1 and isinstance(keys[0], Const):
            self.state[(container, ("item", keys[0].value))] = value

    def unpack(self, target: cst.Tuple | cst.List, value: Value) -> None:
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
            self.state.pop((self.frame, node.target.value), None)

    def import_(self, node: cst.Import) -> None:
        for alias in node.names:
            name = dotted(alias.name) or ""
            if alias.asname is not None and isinstance(alias.asname.name, cst.Name):
                self.assign_name(alias.asname.name.value, Ref(None, name))
            else:
                first = name.split(".")[0]
                self.assign_name(first, Ref(None, first))

    def import_from(self, node: cst.ImportFrom) -> None:
        if isinstance(node.names, cst.ImportStar):
            return
        package = dotted(node.module) if node.module is not None else ""
        prefix = "." * len(node.relative) + (package or "")
        for alias in node.names:
            bound = alias.asname.name if alias.asname is not None else alias.name
            if isinstance(bound, cst.Name) and isinstance(alias.name, cst.Name):
                name = known.canonical(f"{prefix}.{alias.name.value}")
                self.assign_name(bound.value, Ref(None, name))

    def global_(self, node: cst.Global | cst.Nonlocal) -> None:
        for item in node.names:
            name = item.name.value
            home: Frame | None = self.module_frame
            if isinstance(node, cst.Nonlocal):
                home = self.frame.parent
                while home is not None and (home, name) not in self.state:
                    home = home.parent
            self.frame.outer[name] = home or self.module_frame

    # -- branches ------------------------------------------------------------------------------

    def if_(self, node: cst.If) -> None:
        value = self.evaluate(node.test)
        if self.is_main_test(node.test):
            self.block(node.body)
            return
        self.branch(node.test, value, node.body, node.orelse)

    def is_main_test(self, test: cst.CSTNode) -> bool:
        if not isinstance(test, cst.Comparison) or dotted(test.left) != "__name__":
            return False
        return isinstance(test.comparisons[0].operator, cst.Equal)

    def branch(
        self,
        test: cst.CSTNode,
        value: Value,
        body: cst.BaseSuite,
        orelse: cst.If | cst.Else | None,
    ) -> None:
        before = dict(self.state)
        site = self.site(test)
        with self.under(Condition(site, value, True, depth=len(self.loops), body=body)):
            self.block(body)
        taken, taken_dead = self.state, self.dead
        self.state, self.dead = before, False
        if orelse is not None:
            suite = orelse.body if isinstance(orelse, cst.Else) else None
            with self.under(Condition(site, value, False, depth=len(self.loops), body=suite)):
                if isinstance(orelse, cst.If):
                    self.if_(orelse)
                else:
                    self.block(orelse.body)
        self.meet(taken, taken_dead, value)

    def meet(self, other: State, other_dead: bool, test: Value | None = None) -> None:
        """Join the running state with one from another path."""
        if self.dead or other_dead:
            if self.dead and not other_dead:
                self.state, self.dead = other, False
            return
        self.state = self.joined(self.state, other, test)

    def joined(self, left: State, right: State, test: Value | None = None) -> State:
        result: State = {}
        for key in left.keys() | right.keys():
            one, two = left.get(key), right.get(key)
            if one is None or two is None:
                result[key] = one or two or Value()
            elif one is two:
                result[key] = one
            else:
                result[key] = self.phi(join(one, two), test)
        return result

    def phi(self, value: Value, test: Value | None) -> Value:
        """What was bound under a test varies with what the test varies with."""
        if test is not None and not isinstance(value, Const):
            value.varies = union_of([value.varies, test.varies])
        return value

    def try_(self, node: cst.Try | cst.TryStar) -> None:
        before = dict(self.state)
        self.block(node.body)
        if node.orelse is not None and not self.dead:
            self.block(node.orelse.body)
        body, body_dead = self.state, self.dead
        entry = self.joined(before, body)
        for handler in node.handlers:
            self.state, self.dead = dict(entry), False
            with self.under(Condition(self.site(handler), Value(), True, depth=len(self.loops))):
                if handler.name is not None:
                    self.assign_to(handler.name.name, Value())
                self.block(handler.body)
            self.meet(body, body_dead)
            body, body_dead = self.state, self.dead
        self.state, self.dead = body, body_dead
        if node.finalbody is not None:
            dead, self.dead = self.dead, False
            self.block(node.finalbody.body)
            self.dead = self.dead or dead

    def with_(self, node: cst.With) -> None:
        opened = 0
        for item in node.items:
            value = self.evaluate(item.item)
            self.contexts.append(_context_name(value))
            opened += 1
            if item.asname is not None:
                self.assign_to(item.asname.name, value if isinstance(value, Obj) else Value())
        self.block(node.body)
        del self.contexts[len(self.contexts) - opened :]

    def match(self, node: cst.Match) -> None:
        value = self.evaluate(node.subject)
        after, after_dead = dict(self.state), False
        for case in node.cases:
            self.state, self.dead = dict(after), False
            with self.under(Condition(self.site(case), value, True, depth=len(self.loops))):
                self.block(case.body)
            self.meet(after, after_dead, value)
            after, after_dead = self.state, self.dead

    # -- loops ---------------------------------------------------------------------------------

    def for_(self, node: cst.For) -> None:
        over = self.evaluate(node.iter)
        loop = Loop(self.site(node), "for")
        _unwrap(loop, over, node)
        self.run_loop(loop, node.body, lambda: self.bind_target(node, loop, over))
        if node.orelse is not None and not self.dead:
            self.block(node.orelse.body)

    def bind_target(self, node: cst.For, loop: Loop, over: Value) -> None:
        self.bind_unknown(node.target, frozenset({loop}), over)
        items = loop.over.items if isinstance(loop.over, Seq) else ()
        if items and isinstance(node.target, cst.Name) and loop.over is over:
            value = items[0]
            for item in items[1:]:
                value = join(value, item)
            if not isinstance(value, (Const, Expr)):
                self.assign_name(node.target.value, value)

    def while_(self, node: cst.While) -> None:
        loop = Loop(self.site(node), "while")
        self.run_loop(loop, node.body, lambda: self.evaluate(node.test))

    def run_loop(self, loop: Loop, body: cst.BaseSuite, begin: Callable[[], object]) -> None:
        before = self.state
        self.loops.append(loop)
        if self.recording and self.spent < BUDGET:
            self.carry(loop, before, body, begin)
        exits = self.loop_pass(body, begin)
        self.loops.pop()
        self.state, self.dead = self.end_of(exits, before), False

    def carry(
        self,
        loop: Loop,
        before: State,
        body: cst.BaseSuite,
        begin: Callable[[], object],
    ) -> None:
        """Run the body once for trial: what it changed varies with the loop from now on."""
        self.state = dict(before)
        self.recording = False
        exits = self.loop_pass(body, begin)
        self.recording = True
        after = self.state if not self.dead else None
        for state in exits.again:
            after = state if after is None else self.joined(after, state)
        self.dead = False
        self.state = dict(before)
        for key, value in (after or {}).items():
            old = before.get(key)
            if old is not None and old is not value:
                self.state[key] = self.carried(old, value, loop)

    def carried(self, old: Value, new: Value, loop: Loop) -> Value:
        if isinstance(old, Obj) and isinstance(new, Obj):
            return join(old, new)
        varies = union_of([old.varies, new.varies, frozenset({loop})])
        if isinstance(old, (Const, Expr)) or isinstance(new, (Const, Expr)):
            return Expr(varies, "carried", (old,))
        merged = join(old, new)
        return Choice(varies, options_of(merged))

    def loop_pass(self, body: cst.BaseSuite, begin: Callable[[], object]) -> _Exits:
        exits = _Exits()
        self.loop_exits.append(exits)
        self.state = dict(self.state)
        begin()
        self.block(body)
        self.loop_exits.pop()
        return exits

    def end_of(self, exits: _Exits, before: State) -> State:
        state = before
        if not self.dead:
            state = self.joined(before, self.state)
        for other in (*exits.again, *exits.states):
            state = self.joined(state, other)
        return state

    # -- definitions and calls -----------------------------------------------------------------

    def function(self, node: cst.FunctionDef) -> None:
        decorators = tuple(self.decorator_name(d.decorator) for d in node.decorators)
        self.assign_name(node.name.value, self.make_function(node, None, decorators))

    def decorator_name(self, node: cst.BaseExpression) -> str:
        value = self.evaluate(node.func if isinstance(node, cst.Call) else node)
        if isinstance(node, cst.Call):
            self.evaluate(node)
        if isinstance(value, Ref):
            return value.name
        return dotted(node) or "?"

    def class_(self, node: cst.ClassDef) -> None:
        bases = tuple(self.evaluate(arg.value) for arg in node.bases)
        cls = Class(STILL, node, bases)
        self.assign_name(node.name.value, cls)
        outer, self.frame = self.frame, Frame(node, self.frame)
        inner = self.frame
        for statement in statements(node.body):
            if isinstance(statement, cst.FunctionDef):
                decorators = tuple(self.decorator_name(d.decorator) for d in statement.decorators)
                method = self.make_function(statement, cls, decorators)
                method.frame = outer
                self.assign_name(statement.name.value, method)
            else:
                self.statement(statement)
        self.frame = outer
        cls.members = {str(key[1]): v for key, v in self.state.items() if key[0] is inner}

    def run_function(self, function: Func, args: tuple[Argument, ...], node: cst.CSTNode) -> Value:
        """Follow a call of one of the script's own functions."""
        body = function.node
        assert body is not None
        if (
            len(self.functions) >= DEPTH
            or body in self.functions
            or self.spent > BUDGET
            or contains_yield(body.body)
        ):
            for arg in args:
                self.escape(arg.value)
            self.record("opaque", node, receiver=function, callee=function.name, args=args)
            return Value()
        if self.recording:
            self.followed.add(body)
        return self.enter(function, body, args, node)

    def enter(
        self,
        function: Func,
        body: cst.FunctionDef | cst.Lambda,
        args: tuple[Argument, ...],
        node: cst.CSTNode,
    ) -> Value:
        frame = Frame(body, function.frame)
        called = body is not node  # else it is run for itself, with unknown arguments
        bound = self.bind_arguments(body, args, called)
        saved = (self.frame, self.dead, self.loop_exits)
        self.frame, self.dead, self.loop_exits = frame, False, []
        self.state.update({(frame, name): value for name, value in bound.items()})
        self.functions.append(body)
        if called:
            self.path.append(Site(self.script, node))
        self.contexts.extend(name for name in function.decorators if name.startswith("torch."))
        self.returns.append(_Exits())
        result = self.run_body(body)
        self.returns.pop()
        for name in function.decorators:
            if name.startswith("torch."):
                self.contexts.pop()
        if called:
            self.path.pop()
        self.functions.pop()
        self.frame, self.dead, self.loop_exits = saved
        if not any(made.frame is frame for made in self.functions_made.values()):
            self.state = {key: value for key, value in self.state.items() if key[0] is not frame}
        return result if _keeps_result(function) else Value()

    def run_body(self, body: cst.FunctionDef | cst.Lambda) -> Value:
        if isinstance(body, cst.Lambda):
            return self.evaluate(body.body)
        self.block(body.body)
        exits = self.returns[-1]
        values, states = list(exits.values), list(exits.states)
        if not self.dead:
            values.append(Const(STILL, None))
            states.append(self.state)
        if not states:
            return Value()
        self.state = states[0]
        result = values[0]
        for state, value in zip(states[1:], values[1:], strict=True):
            self.state = self.joined(self.state, state)
            result = join(result, value)
        return result

    def bind_arguments(
        self, body: cst.FunctionDef | cst.Lambda, args: tuple[Argument, ...], called: bool
    ) -> dict[str, Value]:
        """The values of the parameters: arguments, defaults, or unknown but standing still."""
        bound: dict[str, Value] = {}
        names = [p.name.value for p in (*body.params.posonly_params, *body.params.params)]
        plain = [arg for arg in args if arg.keyword is None and not arg.text.startswith("*")]
        starred = any(arg.text.startswith("*") for arg in args)
        bound.update(zip(names, (arg.value for arg in plain), strict=False))
        bound.update({arg.keyword: arg.value for arg in args if arg.keyword is not None})
        for param in parameters(body.params):
            name = param.name.value
            if name in bound:
                continue
            if param.default is not None and not starred and called:
                bound[name] = self.evaluate(param.default)
            elif param is body.params.star_arg:
                bound[name] = Seq(STILL, tuple(arg.value for arg in plain[len(names) :]))
            else:
                bound[name] = Value(STILL)
        return bound


def _keeps_result(function: Func) -> bool:
    return all(d.startswith(("torch.", "builtins.", "functools.")) for d in function.decorators)


def _context_name(value: Value) -> str:
    for option in options_of(value):
        if isinstance(option, Obj) and option.qualname:
            return option.qualname
        if isinstance(option, Ref):
            return option.name
    return ""


def _may_leave(node: cst.CSTNode, in_loop: bool = False) -> bool:
    """Whether running a statement may leave the loop's pass or the function it stands in."""
    if isinstance(node, (cst.FunctionDef, cst.ClassDef, cst.Lambda)):
        return False
    if isinstance(node, cst.Return):
        return True
    if isinstance(node, (cst.Break, cst.Continue)):
        return not in_loop
    inner = in_loop or isinstance(node, (cst.For, cst.While))
    return any(_may_leave(child, inner) for child in children(node))


def _unwrap(loop: Loop, over: Value, node: cst.For) -> None:
    """Take `enumerate`, `tqdm` and the like off what a loop runs over."""
    value, expression, target = over, node.iter, node.target
    while isinstance(value, Expr) and value.parts and isinstance(expression, cst.Call):
        if value.op == "builtins.enumerate":
            if isinstance(target, cst.Tuple) and len(target.elements) == 2:
                first, second = (element.value for element in target.elements)
                if loop.index is None and isinstance(first, cst.Name):
                    loop.index = first.value
                    loop.start = value.parts[1] if len(value.parts) > 1 else None
                target = second  # type: ignore[assignment]
        elif value.op not in known.ITERATES_FIRST:
            break
        value, expression = value.parts[0], expression.args[0].value
    loop.over = value
    loop.over_text = loop.site.script.module.code_for_node(expression)


_AUGMENTED: dict[type[cst.CSTNode], str] = {
    cst.AddAssign: "+",
    cst.SubtractAssign: "-",
    cst.MultiplyAssign: "*",
    cst.DivideAssign: "/",
    cst.FloorDivideAssign: "//",
    cst.ModuloAssign: "%",
}

_STATEMENTS: dict[type[cst.CSTNode], Callable[..., None]] = {
    cst.Expr: Interpreter.expression,
    cst.Assign: Interpreter.assign,
    cst.AnnAssign: Interpreter.ann_assign,
    cst.AugAssign: Interpreter.aug_assign,
    cst.Return: Interpreter.return_,
    cst.Raise: Interpreter.raise_,
    cst.Break: Interpreter.break_,
    cst.Continue: Interpreter.continue_,
    cst.Assert: Interpreter.assert_,
    cst.Del: Interpreter.delete,
    cst.Import: Interpreter.import_,
    cst.ImportFrom: Interpreter.import_from,
    cst.Global: Interpreter.global_,
    cst.Nonlocal: Interpreter.global_,
    cst.If: Interpreter.if_,
    cst.Try: Interpreter.try_,
    cst.TryStar: Interpreter.try_,
    cst.With: Interpreter.with_,
    cst.Match: Interpreter.match,
    cst.For: Interpreter.for_,
    cst.While: Interpreter.while_,
    cst.FunctionDef: Interpreter.function,
    cst.ClassDef: Interpreter.class_,
}


def lower_flow(script: Script) -> None:
    """Run the script in the abstract; its names must have been lowered before."""
    Interpreter(script).run()

