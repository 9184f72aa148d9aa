"""RUN101: gradients pile up over steps."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Severity, Verdict
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, Witness, detector
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import count, measured

RULES = ("TRN101", "TRN103")


@detector("RUN101", Severity.ERROR, confirms=RULES, needs=("steps",))
def stale_gradients(run: Run, limits: Thresholds) -> Iterator[Result]:
    """Gradients of earlier steps are still there when the next are added to them.

    `backward()` adds to `.grad`. Where nothing clears it after a step, every step repeats all
    those before it: the direction lags behind and the norm grows with the number of steps.

    Judged by the gradients themselves, whoever clears them: a step counts where the first
    backward since the optimizer's last step met non-zero gradients that were still there, not
    cleared, at the step. Three such steps make a finding. Accumulating over several backwards
    before one step is no mistake, and neither is another optimizer's backward in between that
    leaves gradients which are cleared later. Gradients that the script itself changes in place
    after the step (decays them, say) are meant to stay.
    """
    for optimizer, info in run.optimizers.items():
        steps = [step for step in run.steps_of(optimizer) if not step.skipped]
        stale = [step for step in steps if step.stale]
        if len(stale) >= limits.stale_steps:
            yield Found(
                stale[0].site,
                f"`{info.name}` steps with the gradients of earlier steps still in place "
                f"({len(stale)} of {count(len(steps), 'step')})",
                hint="call zero_grad() once for each step, before backward()",
                related=((info.site, "the optimizer was made here"),),
                evidence=(
                    measured("first step with stale gradients", stale[0].step, stale[0].step),
                    measured("stale steps", len(stale)),
                    measured("gradient norm", stale[-1].norm, stale[-1].step),
                ),
            )
        elif len(steps) <= limits.stale_steps:
            yield Abstain(
                f"needs {limits.stale_steps + 1} steps of one optimizer, saw {len(steps)}"
            )
        elif not stale:
            sites = tuple({step.site for step in steps if step.site})
            facts = (measured("stale steps", 0, steps[-1].step),)
            for rule in RULES:
                yield Witness(rule, Verdict.NOT_REPRODUCED, facts, sites)
