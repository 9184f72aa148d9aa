"""TRN905."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding, Severity
from trainlint.lint.lower.syntax import children
from trainlint.lint.lower.values import Const
from trainlint.lint.model import Event, Script, Trace
from trainlint.lint.ranks import COLLECTIVES
from trainlint.lint.rule import found, rule

_PENDING = ("torch.distributed.isend", "torch.distributed.irecv")
# After these, what was started before is done as well.
_SYNCHRONISES = ("torch.cuda.synchronize", "torch.distributed.barrier")


@rule("TRN905", Severity.WARNING, needs=(b"isend", b"irecv", b"async_op"))
def request_not_waited(script: Script) -> Iterator[Finding]:
    """The request of an asynchronous operation is thrown away, so that nothing can wait for it.

    `isend`, `irecv` and collectives with `async_op=True` only begin the exchange. Until
    `request.wait()` returns, a tensor that is received may not be read, nor one that is sent be
    written; what the next line does with it races against the exchange.

    Nothing is said where `torch.cuda.synchronize()` or a barrier follows, or where a context
    around the call can wait for what is started under it.

    Bad:
        import torch
        import torch.distributed as dist

        dist.init_process_group("gloo")
        total = torch.ones(4)
        dist.all_reduce(total, async_op=True)  # TRN905
        print(total / dist.get_world_size())
    Good:
        import torch
        import torch.distributed as dist

        dist.init_process_group("gloo")
        total = torch.ones(4)
        request = dist.all_reduce(total, async_op=True)
        request.wait()
        print(total / dist.get_world_size())

    Source: the documentation of torch.distributed, sections "Point-to-point communication" and
    "Synchronous and asynchronous collective operations".
    """
    for trace in script.traces:
        pending = [event for event in trace.events if _is_pending(event)]
        thrown = {script: _thrown_away(script.module)} if pending else {}
        for event in pending:
            other = event.site.script
            if other not in thrown:
                thrown[other] = _thrown_away(other.module)
            if event.site.node in thrown[other] and not _is_waited(trace, event):
                yield _finding(event)


def _is_pending(event: Event) -> bool:
    if event.callee in _PENDING:
        return True
    given = next((arg.value for arg in event.args if arg.keyword == "async_op"), None)
    return event.callee in COLLECTIVES and isinstance(given, Const) and given.value is True


def _thrown_away(node: cst.CSTNode) -> set[cst.CSTNode]:
    """The expressions that are statements of their own."""
    found_here: set[cst.CSTNode] = set()
    waiting: list[cst.CSTNode] = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, cst.Expr):
            found_here.add(one.value)
        waiting += children(one)
    return found_here


def _is_waited(trace: Trace, event: Event) -> bool:
    later = trace.events[trace.events.index(event) + 1 :]
    if any(one.callee in _SYNCHRONISES for one in later):
        return True
    return any("no_grad" not in one.name and "inference" not in one.name for one in event.contexts)


def _finding(event: Event) -> Finding:
    name = event.callee.split(".")[-1]
    return found(
        event.site,
        f"`{name}` only begins its exchange, and the request that could be waited for is thrown"
        " away",
        hint="keep what it returns, and call `.wait()` on it before the tensor is used",
    )
