"""TRN901."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.model import Condition, Event, Script
from trainlint.lint.passes import asked, outcomes
from trainlint.lint.ranks import collectives, one_rank, speaks_of_rank
from trainlint.lint.rule import found, rule


@rule("TRN901", Severity.ERROR, needs=(b"rank", b"RANK"))
def collective_on_one_rank(script: Script) -> Iterator[Finding]:
    """A collective operation is called on one rank only, and waits for the others forever.

    `all_reduce`, `barrier`, `broadcast` and the like return when every process of the group has
    called them. Under `if rank == 0:` one process does, and the run hangs until its timeout.

    The rank must be known as such: from `torch.distributed.get_rank()`, or from the environment's
    `RANK` or `LOCAL_RANK`. Nothing is said where the other ranks call a collective, or code that
    cannot be seen, under a test of their own, or where the call names a group.

    Bad:
        import torch
        import torch.distributed as dist

        dist.init_process_group("gloo")
        loss = torch.zeros(1)
        if dist.get_rank() == 0:
            dist.all_reduce(loss)  # TRN901
            print(loss / dist.get_world_size())
    Good:
        import torch
        import torch.distributed as dist

        dist.init_process_group("gloo")
        loss = torch.zeros(1)
        dist.all_reduce(loss)
        if dist.get_rank() == 0:
            print(loss / dist.get_world_size())

    Source: the documentation of torch.distributed, section "Collective functions".
    """
    calls = list(collectives(script))
    for event in calls:
        condition = next((one for one in event.conditions if one_rank(one)), None)
        if condition is not None and not _is_matched(script, event, calls):
            yield _finding(event, condition)


def _is_matched(script: Script, event: Event, calls: list[Event]) -> bool:
    """Whether the other ranks may call something that this one meets."""
    unseen = list(script.events("opaque"))
    return any(_on_others(one, event) for one in (*calls, *unseen))


def _on_others(one: Event, event: Event) -> bool:
    """Whether an event happens under a test of the rank that the call does not stand under."""
    mine = outcomes(event)
    return any(
        speaks_of_rank(condition.value) and not asked(condition) <= mine
        for condition in one.conditions
    )


def _finding(event: Event, condition: Condition) -> Finding:
    name = event.callee.split(".")[-1]
    return found(
        event.site,
        f"`{name}` is called on one rank only: it waits for all others, which never call it",
        related=[(condition.site, "only one rank passes this test")],
        hint="call it on every rank, outside the test",
    )
