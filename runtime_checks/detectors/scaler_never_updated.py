"""RUN207: a GradScaler whose factor never changes."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, detector
from trainlint.runtime_checks.record import Scalers, Site
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import measured

_TWICE = "step() has already been called since the last update()"


@detector("RUN207", Severity.ERROR, confirms=("TRN209", "TRN212"), needs=("steps",))
def scaler_never_updated(run: Run, limits: Thresholds) -> Iterator[Result]:
    """A GradScaler scales losses, and its `update()` is never called.

    `update()` is what adapts the factor, and ends an iteration. Without it the second
    `scaler.step()` raises; where `optimizer.step()` is called in its place, gradients are used
    that are some 65536 times too large; and a scaler that is made anew for each batch never adapts.

    Found where an enabled scaler has scaled three losses, at least three optimizer steps were
    taken, and no `update()` was ever called; where it raised for that reason; or where a line
    made ten scalers or more, each for one or two losses. Accumulation scales many losses for each
    update, and has one in the end.
    """
    last = {one.site: one for one in run.scalers}
    if not last:
        yield Abstain("no enabled GradScaler was used")
    raised = run.raised is not None and _TWICE in run.raised.text
    for one in last.values():
        if one.made >= limits.scalers_made and one.scales <= 2 * one.made:
            message = (
                f"a new GradScaler is made for each batch ({one.made}): its factor never adapts"
            )
            yield _found(one, one.site, message, "make one GradScaler, before the loop")
        elif one.updates:
            continue
        elif raised:
            message = "the GradScaler is stepped and never updated: its second step() raised"
            yield _found(one, one.stepped, message, "call scaler.update() after scaler.step()")
        elif one.scales < limits.scaler_calls or len(run.steps) < limits.scaler_calls:
            yield Abstain(f"needs {limits.scaler_calls} scaled losses and steps, saw {one.scales}")
        else:
            message = "the GradScaler scales losses, and its step() and update() are never called"
            if one.steps:
                message = "the GradScaler is stepped, and its update() is never called"
            hint = "call scaler.step(optimizer) and scaler.update() in place of optimizer.step()"
            yield _found(one, one.stepped or one.scaled, message, hint)


def _found(one: Scalers, site: Site | None, message: str, hint: str) -> Found:
    return Found(
        site,
        message,
        hint=hint,
        related=((one.site, "the scaler was made here"),) if one.site != site else (),
        evidence=(
            measured("losses that were scaled", one.scales, one.step),
            measured("scaler.step() calls", one.steps, one.step),
            measured("scaler.update() calls", one.updates, one.step),
        ),
    )
