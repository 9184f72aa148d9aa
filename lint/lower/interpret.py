"""Running a script in the abstract: its module, then every function that nothing in it calls."""

from __future__ import annotations

from collections.abc import Callable

import libcst as cst

from trainlint.lint.lower import known
from trainlint.lint.lower.blocks import Blocks
from trainlint.lint.lower.machine import (
    BUDGET,
    DEPTH,
    FEW_IMPORTS,
    MOST_FOLLOWS,
    MOST_IMPORTS,
    shared_names,
)
from trainlint.lint.lower.state import State
from trainlint.lint.lower.statements import Exits
from trainlint.lint.lower.syntax import dotted, parameters, statements
from trainlint.lint.lower.values import (
    STILL,
    Class,
    Const,
    Frame,
    Func,
    Obj,
    Package,
    Ref,
    Seq,
    Value,
    join,
)
from trainlint.lint.mentions import contains_yield
from trainlint.lint.model import Argument, Context, Flow, Script, Site, Trace


class Interpreter(Blocks):
    """Runs a module, then every function that nothing in it calls."""

    # -- entries -------------------------------------------------------------------------------

    def run(self) -> Flow:
        """Run everything; its traces."""
        self.traces.append(self.trace)
        self.block(self.script.module)
        after = self.state
        pending = True
        while pending:
            pending = False
            for node, function in list(self.functions_made.items()):
                if node not in self.followed and function.script is self.root:
                    pending = True
                    self.run_root(function, after.fork())
        return Flow(self.traces, self.spent < BUDGET, list(self.classes_made.values()))

    def run_root(self, function: Func, state: State) -> None:
        """Run a function as if someone called it, with arguments of which nothing is known."""
        assert function.node is not None
        self.state, self.dead = state, False
        args: tuple[Argument, ...] = ()
        if function.owner is not None and "builtins.staticmethod" not in function.decorators:
            receiver: Value = function.owner
            if "builtins.classmethod" not in function.decorators:
                receiver = self.instance_of(function.owner)
            args = (Argument(None, receiver, self.site(function.node)),)
        if function.node in self.followed:  # the instance's own making ran it
            return
        self.trace = Trace(function.node)
        self.traces.append(self.trace)
        self.run_function(function, args, function.node)
        self.followed.add(function.node)

    def instance_of(self, cls: Class) -> Obj:
        """An instance of a class, made with unknown arguments; one for all its methods."""
        self.trace = Trace(self.script.module)  # its making is told where `__init__` is the root
        kind = known.kind_of_class(tuple(cls.roots()))
        site = Site(cls.script or self.script, cls.node) if cls.node else None
        made = Obj(STILL, kind, site=site, cls=cls)
        init = cls.find("__init__")
        if isinstance(init, Func) and init.node is not None:
            followed = init.node in self.followed
            first = Argument(None, made, self.site(init.node))
            self.run_function(init, (first,), init.node)
            if not followed:
                self.trace.root = init.node
                self.traces.append(self.trace)
        return made

    def statement(self, node: cst.CSTNode) -> None:
        self.spent += 1
        handler = _STATEMENTS.get(type(node))
        if handler is not None:
            handler(self, node)

    # -- imports -------------------------------------------------------------------------------

    def import_module(self, name: str, importer: str) -> Package | None:
        """A module of the same project, its body run once; None for any other."""
        project = self.root.project
        path = project.find(name, importer) if project is not None else None
        if project is None or path is None or path == self.root.source.path:
            return None
        known_package = self.imported.get(path)
        if known_package is not None:
            return known_package
        most = MOST_IMPORTS if self.root.may_train else FEW_IMPORTS
        script = project.script(path) if len(self.imported) < most else None
        if script is None or self.spent > BUDGET:
            return None
        package = self.imported[path] = Package(STILL, name.lstrip("."), path, Frame(script.module))
        self.shared_names |= shared_names(script)
        self.run_package(package, script)
        return package

    def run_package(self, package: Package, script: Script) -> None:
        """Run the body of an imported file: what it binds counts, what happens in it does not."""
        assert package.frame is not None
        saved = (self.script, self.frame, self.module_frame, self.recording, self.dead)
        stacks = (self.loop_exits, self.returns, self.loops, self.conditions, self.contexts)
        self.script, self.recording, self.dead = script, False, False
        self.frame = self.module_frame = package.frame
        self.loop_exits, self.returns, self.loops = [], [], []
        self.conditions, self.contexts = [], []
        mark = self.state.mark()
        self.block(script.module)
        package.frame.settled.update(self.state.take(package.frame, mark))
        self.script, self.frame, self.module_frame, self.recording, self.dead = saved
        self.loop_exits, self.returns, self.loops, self.conditions, self.contexts = stacks

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
        cls = Class(STILL, node, bases, script=self.script)
        if self.script is self.root:
            self.classes_made[node] = cls
        self.assign_name(node.name.value, cls)
        outer, self.frame = self.frame, Frame(node, self.frame)
        inner, mark = self.frame, self.state.mark()
        for statement in statements(node.body):
            if isinstance(statement, cst.FunctionDef):
                decorators = tuple(self.decorator_name(d.decorator) for d in statement.decorators)
                method = self.make_function(statement, cls, decorators)
                method.frame = outer
                self.assign_name(statement.name.value, method)
            else:
                self.statement(statement)
        self.frame = outer
        cls.members.update(self.state.take(inner, mark))

    def run_function(self, function: Func, args: tuple[Argument, ...], node: cst.CSTNode) -> Value:
        """Follow a call of one of the script's own functions."""
        body = function.node
        assert body is not None
        if (
            len(self.functions) >= DEPTH
            or body in self.functions
            or self.spent > BUDGET
            or self.yields(body)
            or (self.follows[body] >= MOST_FOLLOWS and not self.root.may_train)
        ):
            for arg in args:
                self.escape(arg.value)
            self.record("opaque", node, receiver=function, callee=function.name, args=args)
            return Value()
        self.follows[body] += 1
        if self.recording:
            self.followed.add(body)
        return self.enter(function, body, args, node)

    def yields(self, body: cst.FunctionDef | cst.Lambda) -> bool:
        if body not in self.yielding:
            self.yielding[body] = contains_yield(body.body)
        return self.yielding[body]

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
        site = Site(self.script, node)
        saved = (self.frame, self.dead, self.loop_exits, self.script)
        self.frame, self.dead, self.loop_exits = frame, False, []
        self.script = function.script or self.script
        self.state.update({(frame, name): value for name, value in bound.items()})
        self.functions.append(body)
        if called:
            self.path.append(site)
        decorating = [name for name in function.decorators if name.startswith("torch.")]
        self.contexts.extend(Context(name, Value(), self.site(body)) for name in decorating)
        self.returns.append(Exits())
        result = self.run_body(body)
        self.returns.pop()
        del self.contexts[len(self.contexts) - len(decorating) :]
        if called:
            self.path.pop()
        self.functions.pop()
        self.frame, self.dead, self.loop_exits, self.script = saved
        if frame not in self.captured:
            self.state.close(frame)
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
        plain = [arg for arg in args if arg.keyword is None and not arg.star]
        starred = any(arg.star for arg in args)
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
                bound[name] = self.annotated(param)
        return bound

    def annotated(self, param: cst.Param) -> Value:
        """An argument that nobody gave: of its annotation's kind, if that is one of torch's."""
        if param.annotation is None:
            return Value(STILL)
        note = self.evaluate_quietly(param.annotation.annotation)
        kind = known.made_by(known.canonical(note.name)) if isinstance(note, Ref) else None
        if kind is None or not isinstance(note, Ref):
            return Value(STILL)
        return Obj(STILL, kind, known.canonical(note.name), self.site(param))


def _keeps_result(function: Func) -> bool:
    return all(d.startswith(("torch.", "builtins.", "functools.")) for d in function.decorators)


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


def lower_flow(script: Script) -> Flow:
    """Run the script in the abstract."""
    return Interpreter(script).run()
