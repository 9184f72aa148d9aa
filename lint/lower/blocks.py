"""Running compound statements: branches join, loops carry values from pass to pass.

Each loop's body is run twice: a trial pass, which records nothing, finds what the body changes;
what it changes then varies with the loop in the pass that counts.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import cache

import libcst as cst

from trainlint.lint.lower import known
from trainlint.lint.lower.machine import BUDGET
from trainlint.lint.lower.state import State, joined
from trainlint.lint.lower.statements import Exits, Statements
from trainlint.lint.lower.syntax import children, dotted, statements
from trainlint.lint.lower.values import (
    STILL,
    Carry,
    Choice,
    Const,
    Expr,
    Obj,
    Ref,
    Seq,
    Value,
    join,
    options_of,
    union_of,
)
from trainlint.lint.model import Condition, Context, Loop


class Blocks(Statements):
    """Blocks, branches and loops."""

    @abstractmethod
    def statement(self, node: cst.CSTNode) -> None:
        """Run any statement; `Interpreter` knows them all."""

    def block(self, body: cst.BaseSuite | cst.Module) -> None:
        pushed = 0
        for statement in statements(body):
            if self.dead:
                break
            self.statement(statement)
            if isinstance(statement, cst.If) and not self.dead and self.may_leave(statement):
                self.conditions.append(
                    Condition(self.site(statement.test), self.evaluate_quietly(statement.test),
                              False, implicit=True, depth=len(self.loops))
                )  # fmt: skip
                pushed += 1
        del self.conditions[len(self.conditions) - pushed :]

    def may_leave(self, node: cst.If) -> bool:
        if node not in self.leaving:
            self.leaving[node] = _may_leave(node)
        return self.leaving[node]

    def evaluate_quietly(self, node: cst.CSTNode) -> Value:
        recording, self.recording = self.recording, False
        value = self.evaluate(node)
        self.recording = recording
        return value

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
        if self.script is not self.root:
            return False  # what is imported is not run as the script
        return isinstance(test.comparisons[0].operator, cst.Equal)

    def branch(
        self,
        test: cst.CSTNode,
        value: Value,
        body: cst.BaseSuite,
        orelse: cst.If | cst.Else | None,
    ) -> None:
        before = self.state.fork()
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
        return joined(left, right, lambda one, two: self.phi(join(one, two), test))

    def phi(self, value: Value, test: Value | None) -> Value:
        """What was bound under a test varies with what the test varies with."""
        if test is not None and not isinstance(value, Const):
            value.varies = union_of([value.varies, test.varies])
        return value

    def try_(self, node: cst.Try | cst.TryStar) -> None:
        before = self.state.fork()
        self.block(node.body)
        if node.orelse is not None and not self.dead:
            self.block(node.orelse.body)
        body, body_dead = self.state, self.dead
        entry = self.joined(before, body)
        for handler in node.handlers:
            self.state, self.dead = entry.fork(), False
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
            self.record("enter", item.item, receiver=value, result=value)
            self.contexts.append(Context(_context_name(value), value, self.site(item.item)))
            opened += 1
            if item.asname is not None:
                self.assign_to(item.asname.name, value if isinstance(value, Obj) else Value())
        self.block(node.body)
        del self.contexts[len(self.contexts) - opened :]

    def match(self, node: cst.Match) -> None:
        value = self.evaluate(node.subject)
        after, after_dead = self.state.fork(), False
        for case in node.cases:
            self.state, self.dead = after.fork(), False
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
        name = dotted(node.target) if getattr(loop.over, "op", "") == "builtins.range" else None
        if loop.index is not None:  # it counts this loop, whatever that runs over
            name, start = loop.index, loop.start or Const(STILL)
            self.assign_name(name, Value(union_of([frozenset({loop}), start.varies])))
        loop.counter = self.lookup(name) if name is not None else None
        items = loop.over.items if isinstance(loop.over, Seq) else ()
        if items and isinstance(node.target, cst.Name) and loop.over is over:
            value = items[0]
            for item in items[1:]:
                value = join(value, item)
            if isinstance(value, Choice) and any(isinstance(one, Const) for one in value.options):
                value = Choice(union_of([value.varies, frozenset({loop})]), value.options)
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
        self.state = before.fork()
        self.recording = False
        exits = self.loop_pass(body, begin)
        self.recording = True
        after = self.state if not self.dead else None
        for state in exits.again:
            after = state if after is None else self.joined(after, state)
        self.dead = False
        self.state = before.fork()
        if after is None:
            return
        for key in after.since(before.mark()):
            old, value = before.get(key), after.get(key)
            if old is not None and value is not None and old is not value:
                carried = self.state[key] = self.carried(old, value, loop)
                loop.carries.append(Carry(*key, old, value, carried))

    def carried(self, old: Value, new: Value, loop: Loop) -> Value:
        if isinstance(old, Obj) and isinstance(new, Obj):
            return join(old, new)
        varies = union_of([old.varies, new.varies, frozenset({loop})])
        if isinstance(old, (Const, Expr)) or isinstance(new, (Const, Expr)):
            return Expr(varies, "carried", (old,))
        merged = join(old, new)
        return Choice(varies, options_of(merged))

    def loop_pass(self, body: cst.BaseSuite, begin: Callable[[], object]) -> Exits:
        exits = Exits()
        self.loop_exits.append(exits)
        self.state = self.state.fork()
        begin()
        self.block(body)
        self.loop_exits.pop()
        return exits

    def end_of(self, exits: Exits, before: State) -> State:
        state = before
        if not self.dead:
            state = self.joined(before, self.state)
        for other in (*exits.again, *exits.states):
            state = self.joined(state, other)
        return state


def _context_name(value: Value) -> str:
    for option in options_of(value):
        if isinstance(option, Obj) and option.qualname:
            return option.qualname
        if isinstance(option, Ref):
            return option.name
    return ""


def _may_leave(node: cst.CSTNode, in_loop: bool = False) -> bool:
    """Whether running a statement may leave the loop's pass or the function it stands in."""
    kind = type(node)
    if kind is cst.Return:
        return True
    if kind is cst.Break or kind is cst.Continue:
        return not in_loop
    if not _holds_ways_out(kind):
        return False
    inner = in_loop or kind is cst.For or kind is cst.While
    return any(_may_leave(child, inner) for child in children(node))


@cache
def _holds_ways_out(kind: type[cst.CSTNode]) -> bool:
    own = (cst.FunctionDef, cst.ClassDef)  # the ways out in them are their own
    return issubclass(kind, _HOLDS_STATEMENTS) and not issubclass(kind, own)


# What can hold a way out; expressions and lambdas cannot.
_HOLDS_STATEMENTS = (
    cst.BaseStatement, cst.BaseSuite, cst.BaseSmallStatement, cst.Else, cst.ExceptHandler,
    cst.ExceptStarHandler, cst.Finally, cst.MatchCase,
)  # fmt: skip


def _unwrap(loop: Loop, over: Value, node: cst.For) -> None:
    """Take `enumerate`, `tqdm` and the like off what a loop runs over."""
    value, target = over, node.target
    expression: cst.CSTNode | None = node.iter
    while isinstance(value, Expr) and value.parts:
        if value.op == "builtins.enumerate":
            if isinstance(target, cst.Tuple) and len(target.elements) == 2:
                first, second = (element.value for element in target.elements)
                if loop.index is None and isinstance(first, cst.Name):
                    loop.index = first.value
                    loop.start = value.parts[1] if len(value.parts) > 1 else None
                target = second  # type: ignore[assignment]
        elif value.op not in known.ITERATES_FIRST:
            break
        value = value.parts[0]
        # A function of the script's own may have wrapped it: then no text of this line is it.
        given = expression.args if isinstance(expression, cst.Call) else ()
        expression = given[0].value if given else None
    loop.over = value
    if expression is not None:
        loop.over_text = loop.site.script.module.code_for_node(expression)
