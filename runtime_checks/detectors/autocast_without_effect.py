"""RUN206: autocast under which no layer runs."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.record import Autocast
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count, measured


@detector("RUN206", Severity.WARNING, needs=("steps",))
def autocast_without_effect(run: Run, limits: Thresholds) -> Iterator[Result]:
    """Autocast is entered for training, and every Linear and Conv layer computes in float32.

    The model is called outside of the region (which holds only the loss), or the region is for
    another device than the model lies on. The training is slower than it was meant to be, and a
    GradScaler scales what needs no scaling.

    Found where a line enters an enabled region at least three times while gradients are recorded,
    and of the Linear and Conv layers that were looked at (at least three) none gave float16 or
    bfloat16 under any region. Regions that are disabled, as islands of float32 or for lack of a
    GPU, do not count.
    """
    last = {(one.site, one.device): one for one in run.autocasts}
    if not last:
        yield Abstain("no autocast was entered for training")
        return
    for one in last.values():
        if one.entries < limits.autocast_entries or _layers(one) < limits.autocast_layers:
            yield Abstain(f"needs {limits.autocast_entries} regions, and layers that are looked at")
        elif one.low == 0 and one.entries == max(other.entries for other in last.values()):
            where = (
                "all run outside of it"
                if not one.high
                else "they give float32 inside of it as well"
            )
            yield Found(
                one.site,
                f"autocast has no effect: no Linear or Conv layer computes in low precision: "
                f"{where}",
                hint="call the model inside the region, and give autocast the device type that the "
                "model lies on",
                evidence=(
                    measured("layers in low precision", 0, one.step),
                    measured("layers outside of autocast", one.outside, one.step),
                    measured("regions", count(one.entries, "region")),
                ),
            )


def _layers(one: Autocast) -> int:
    return one.low + one.high + one.outside
