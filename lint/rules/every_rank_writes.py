"""TRN902."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Confidence, Finding, Severity
from trainlint.lint.lower.values import Const, Expr, Value
from trainlint.lint.model import Event, Script
from trainlint.lint.ranks import speaks_of_rank
from trainlint.lint.rule import found, rule


@rule("TRN902", Severity.WARNING, needs=(b"init_process_group",), confidence=Confidence.MEDIUM)
def every_rank_writes(script: Script) -> Iterator[Finding]:
    """Every process of a distributed run saves to one and the same file.

    The processes write at the same time: the file that is left may be a mixture of several, and
    cannot be read. One rank saves, and the others wait where they need the file.

    Found where the run joins a process group, and `torch.save` writes to a path that does not
    depend on the rank, under no test but those that count or compare losses. Off by default: each
    machine may have a disk of its own, with one process on it.

    Bad:
        import torch
        import torch.distributed as dist
        from torch import nn

        dist.init_process_group("gloo")
        model = nn.parallel.DistributedDataParallel(nn.Linear(4, 1))
        torch.save(model.state_dict(), "last.pt")  # TRN902
    Good:
        import torch
        import torch.distributed as dist
        from torch import nn

        dist.init_process_group("gloo")
        model = nn.parallel.DistributedDataParallel(nn.Linear(4, 1))
        if dist.get_rank() == 0:
            torch.save(model.state_dict(), "last.pt")

    Source: the PyTorch tutorial "Getting Started with Distributed Data Parallel", section "Save
    and Load Checkpoints".
    """
    for trace in script.traces:
        joined: Event | None = None
        for event in trace.events:
            if event.callee == "torch.distributed.init_process_group":
                joined = joined or event
            elif event.kind == "save" and joined is not None and not _may_choose(event):
                yield _finding(event, joined)


def _may_choose(event: Event) -> bool:
    """Whether the path or the tests around a save may depend on the rank."""
    path = event.argument(1, "f")
    if path is None or not _is_plain(path.value):
        return True
    return not all(_holds_on_all(condition.value) for condition in event.conditions)


def _holds_on_all(test: Value) -> bool:
    """Whether a test cannot choose a rank: it counts, or compares what training gives."""
    if not isinstance(test, Expr) or speaks_of_rank(test):
        return False
    if test.op in ("and", "or", "not"):
        return all(_holds_on_all(part) for part in test.parts)
    counts = any(isinstance(part, Expr) and part.op == "%" for part in test.parts)
    return counts or test.op in ("LessThan", "GreaterThan")


def _is_plain(path: Value) -> bool:
    """Made of constants and numbers of loops: the same on every rank."""
    if isinstance(path, Const):
        return True
    if isinstance(path, Expr) and path.op in ("+", "format", "os.path.join", "builtins.str", "%"):
        return all(_is_plain(part) or part.varies for part in path.parts)
    return False


def _finding(event: Event, joined: Event) -> Finding:
    path = event.argument(1, "f")
    name = path.text if path is not None else "the file"
    return found(
        event.site,
        f"every process of the run writes {name}, at the same time",
        related=[(joined.site, "here the run joins a group of processes")],
        hint="save on one rank: `if torch.distributed.get_rank() == 0:`",
    )
