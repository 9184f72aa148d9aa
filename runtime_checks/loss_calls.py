"""What loss functions were given, line by line: what several detectors ask."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from trainlint.finding import Evidence, Verdict
from trainlint.runtime_checks.detection import Abstain, Found, Thresholds, Witness
from trainlint.runtime_checks.record import LossCall, Site
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count, measured

CLASSES = frozenset({"cross_entropy", "nll_loss"})
LOGITS = frozenset(
    {"cross_entropy", "binary_cross_entropy_with_logits", "multilabel_soft_margin_loss"}
)
# What computes a layer's output: multiplications by weights, and norms.
LAYERS = frozenset(
    """
    Addmm Addbmm Baddbmm Bmm Mm Linear MkldnnLinear Convolution ConvolutionOverrideable
    MkldnnConvolution CudnnConvolution NativeBatchNorm CudnnBatchNorm MiopenBatchNorm
    NativeLayerNorm NativeGroupNorm
    """.split()
)


@dataclass(frozen=True)
class Line:
    """A line of the user's, and the calls of one loss function that it made."""

    site: Site | None
    function: str
    calls: tuple[LossCall, ...]

    def share(self, test: Callable[[LossCall], bool]) -> float:
        """The share of its calls for which `test` holds."""
        return sum(map(test, self.calls)) / len(self.calls)

    def facts(self, test: Callable[[LossCall], bool]) -> tuple[Evidence, ...]:
        """How many calls it holds for, and the range of what the last of those was given."""
        wrong = [call for call in self.calls if test(call)]
        last = wrong[-1]
        return (
            measured("calls looked at", len(self.calls), self.calls[-1].step),
            measured("of these", len(wrong), last.step),
            measured("least value of the input", last.low, last.step),
            measured("greatest value of the input", last.high, last.step),
        )


def lines_of(run: Run, functions: Collection[str]) -> list[Line]:
    """The lines that call one of these functions, in order of their first call."""
    found: dict[tuple[Site | None, str], list[LossCall]] = {}
    for call in run.loss_calls:
        if call.function in functions:
            found.setdefault((call.site, call.function), []).append(call)
    return [Line(site, function, tuple(calls)) for (site, function), calls in found.items()]


def judge_lines(
    run: Run,
    limits: Thresholds,
    functions: Collection[str],
    test: Callable[[LossCall], bool],
    tell: Callable[[Line], Found],
    rules: tuple[str, ...],
) -> Iterator[Found | Abstain | Witness]:
    """A finding for each line for nearly all of whose calls `test` holds.

    One for which it never holds shows the contrary of `rules`.
    """
    lines = lines_of(run, functions)
    if not lines:
        yield Abstain("no such loss was computed in the steps looked at")
    for line in lines:
        share = line.share(test)
        if len(line.calls) < limits.loss_calls:
            yield Abstain(f"needs {count(limits.loss_calls, 'call')}, saw {len(line.calls)}")
        elif share >= limits.loss_share:
            yield tell(line)
        elif not share and line.site is not None:
            last = line.calls[-1]
            facts = (
                measured("calls looked at", len(line.calls), last.step),
                measured("operation that makes the input", last.maker or "none", last.step),
            )
            for rule in rules:
                yield Witness(rule, Verdict.NOT_REPRODUCED, facts, (line.site,))


def is_probabilities(call: LossCall, limits: Thresholds) -> bool:
    """Whether each row's numbers lie between 0 and 1, and sum up to 1."""
    if call.off_one is None or _classes(call) < 2 or call.low < 0 or call.high > 1 + 1e-3:
        return False
    # Whatever softmax made may be rounded; of unknown making, it must be exact.
    return call.off_one <= (limits.loss_rounding if call.maker == "Softmax" else 1e-4)


def _classes(call: LossCall) -> int:
    shape = call.input_shape
    if call.function == "kl_div" or len(shape) < 2:
        return shape[-1] if shape else 1
    return shape[1]


def named(function: str) -> str:
    """`cross_entropy`, as a reader knows it."""
    return f"`{function}`"
