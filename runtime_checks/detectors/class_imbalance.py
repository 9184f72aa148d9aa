"""RUN602: one class is much rarer than another."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.labels import Classification, classifications, total
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count, measured

# Labels of the rare class that were there to be said.
_RARE = 20
_CALLS = 20


@detector("RUN602", Severity.INFO, default=True, needs=("loss_calls",))
def class_imbalance(run: Run, limits: Thresholds) -> Iterator[Result]:
    """One class has more than ten times the labels of another, and all weigh the same.

    A model that never says the rare class is right nearly always, and the accuracy does not show
    it. That may be all right: this is a note. It is a warning where the model says nothing but the
    common class in the second half of the steps looked at, while the rare one was there at least
    twenty times.

    Judged by the labels that the loss was given, after 500 of them; a loss with weights or label
    smoothing, or one that the script averages itself, is left alone, and so are scores for each
    pixel or token.
    """
    known = [one for one in classifications(run) if sum(one.labels) >= limits.imbalance_labels]
    if not known:
        yield Abstain(f"needs {count(limits.imbalance_labels, 'label')} at the steps looked at")
    for one in known:
        seen = [number for number in one.labels if number]
        if one.is_plain and len(seen) > 1 and max(seen) > limits.imbalance_ratio * min(seen):
            yield _found(one)


def _found(one: Classification) -> Found:
    labels = one.labels
    common, rare = labels.index(max(labels)), labels.index(min(n for n in labels if n))
    never = _says_only(one, common, rare)
    share = max(labels) / sum(labels)
    said = ", and the model says nothing else" if never else ""
    return Found(
        one.site,
        f"class {common} has {labels[common]} labels and class {rare} {labels[rare]}: who always "
        f"says {common} is right in {100 * share:.0f} %{said}",
        hint="weigh the classes in the loss, or draw the rare ones more often; and look at each "
        "class's recall",
        evidence=(
            measured("labels looked at", sum(labels), one.calls[-1].step),
            measured(f"labels of class {common}", labels[common]),
            measured(f"labels of class {rare}", labels[rare]),
        ),
        severity=Severity.WARNING if never else None,
    )


def _says_only(one: Classification, common: int, rare: int) -> bool:
    """Whether the common class was all that it said, late on, though the rare one was there."""
    late = one.calls[len(one.calls) // 2 :]
    guesses = total(call.guesses for call in late)
    if len(late) < _CALLS or not guesses or total(call.labels for call in late)[rare] < _RARE:
        return False
    return sum(guesses) == guesses[common]
