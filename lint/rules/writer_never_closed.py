"""TRN707."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.holding import is_private, may_be
from trainlint.lint.lower.values import Obj, Value
from trainlint.lint.model import Event, Script
from trainlint.lint.rule import found, rule


@rule("TRN707", Severity.INFO, needs=(b"SummaryWriter",))
def writer_never_closed(script: Script) -> Iterator[Finding]:
    """A SummaryWriter is never closed or flushed.

    It writes from a queue, and flushes every two minutes. A script that is killed, or that starts
    many writers, loses what is still in it, and keeps its files open. At the ordinary end of a
    script only the last few values can be lost (the queue holds ten), so this only advises.

    Bad:
        from torch.utils.tensorboard import SummaryWriter

        writer = SummaryWriter()  # TRN707
        for step in range(100):
            writer.add_scalar("loss", 1 / (step + 1), step)
    Good:
        from torch.utils.tensorboard import SummaryWriter

        with SummaryWriter() as writer:
            for step in range(100):
                writer.add_scalar("loss", 1 / (step + 1), step)

    Source: the documentation of torch.utils.tensorboard.SummaryWriter, on `max_queue`,
    `flush_secs`, `flush` and `close`; the loss at the end was tried with TensorBoard 2.21.
    """
    if not script.whole:
        return
    for made in script.events("make"):
        if _is_own_writer(script, made) and not _is_ended(script, made.result):
            yield found(
                made.site,
                "this writer is never closed or flushed",
                hint="use it in a `with` statement, or call `close()` at the end",
            )


def _is_own_writer(script: Script, made: Event) -> bool:
    """Whether an event makes a writer that only this script gets hold of."""
    writer = made.result
    if not isinstance(writer, Obj) or writer.kind != "writer" or writer.cls is not None:
        return False
    return made.site.script is script and is_private(script, made)


def _is_ended(script: Script, writer: Value) -> bool:
    return any(_ends(event, writer) for event in script.events("method", "enter"))


def _ends(event: Event, writer: Value) -> bool:
    ended = event.kind == "enter" or event.callee in ("close", "flush", "__exit__")
    return ended and may_be(event.receiver, writer)
