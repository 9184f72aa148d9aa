"""TRN907."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Edit, Finding, Fix, Severity
from trainlint.lint.lower.values import Const, Ref
from trainlint.lint.model import Event, Script, Trace
from trainlint.lint.passes import exclusive, implied
from trainlint.lint.rule import found, rule

_CUDNN = "torch.backends.cudnn"


@rule("TRN907", Severity.WARNING, needs=(b"benchmark",))
def benchmark_with_deterministic(script: Script) -> Iterator[Finding]:
    """Deterministic algorithms are asked for, and the choice among them is left to measurement.

    `cudnn.benchmark = True` measures the algorithms of each convolution at its first call, and
    takes the fastest. Which one that is differs from run to run, and with it the last digits of
    all results: what `cudnn.deterministic = True` was set for is lost.

    Nothing is said where the two stand under tests of their own, or where one of them is set back.

    Bad:
        import torch

        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = True  # TRN907
    Good:
        import torch

        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False

    Fix safety: the fix sets `benchmark` to False, which costs speed and changes no result beyond
    the last digits.
    Source: the PyTorch notes "Reproducibility", section "CUDA convolution benchmarking".
    """
    for trace in script.traces:
        benchmark, asked = _switch(trace, "benchmark"), _switch(trace, "deterministic")
        if benchmark is None or asked is None or exclusive(benchmark, asked):
            continue
        if implied(asked, benchmark) and implied(benchmark, asked):
            yield _finding(script, benchmark, asked)


def _switch(trace: Trace, name: str) -> Event | None:
    """Where cuDNN's switch is put on, if it is and nothing puts it off."""
    switched = [event for event in trace.events if _sets(event, name)]
    on = [event for event in switched if _is_true(event)]
    return on[0] if on and len(on) == len(switched) else None


def _sets(event: Event, name: str) -> bool:
    receiver = event.receiver
    if event.kind != "set_attribute" or event.callee != name or not isinstance(receiver, Ref):
        return False
    return receiver.name == _CUDNN


def _is_true(event: Event) -> bool:
    return isinstance(event.result, Const) and event.result.value is True


def _finding(script: Script, benchmark: Event, asked: Event) -> Finding:
    return found(
        benchmark.site,
        "`cudnn.benchmark` takes the algorithm that is fastest in this run, though deterministic"
        " ones are asked for: results differ from run to run",
        related=[(asked.site, "here they are asked for")],
        hint="set `benchmark` to False, or do without `deterministic`",
        fix=_fix(script, benchmark),
    )


def _fix(script: Script, benchmark: Event) -> Fix | None:
    if benchmark.site.script is not script:
        return None
    line, column, _, end = script.range(benchmark.site.node)
    text = script.source.code_lines[line - 1]
    if text[:column].strip() or text[end:].split("#")[0].strip() != "= True":
        return None
    at = script.source.offset(line, end + text[end:].index("True"))
    if at is None:
        return None
    return Fix("Set `benchmark` to False", (Edit(at, at + len("True"), "False"),), safe=True)
