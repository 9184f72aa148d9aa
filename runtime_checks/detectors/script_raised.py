"""RUN001: the script raised."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator

from trainlint.finding import Severity, Verdict
from trainlint.runtime_checks.detection import Abstain, Found, Result, Thresholds, Witness, detector
from trainlint.runtime_checks.record import Frame, Raised, Site
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.series import measured

NAME_RULES = ("TRN001", "TRN002")
# Rules of calls that raise where they stand.
CRASH_RULES = ("TRN209", "TRN210", "TRN213", "TRN219")
# The same, where that is a TypeError or a ValueError.
CALL_RULES = ("TRN506", "TRN510", "TRN512", "TRN519", "TRN602", "TRN616")

# What torch says where a mistake with a graph or its parameters makes it fail.
FAILURES = {
    "TRN107": ("does not require grad",),
    "TRN108": ("requires_grad flags of leaf", "does not require grad"),
    "TRN109": ("does not require grad",),
    "TRN111": ("through the graph a second time",),
    "TRN112": ("through the graph a second time",),
    "TRN114": ("empty parameter list",),
    "TRN412": ("Boolean value of Tensor with more than one value",),
}
# Of these, the line never runs to its end.
_ALWAYS_FAIL = ("TRN109", "TRN111")


@detector("RUN001", Severity.ERROR, confirms=(*NAME_RULES, *CRASH_RULES, *CALL_RULES, *FAILURES))
def script_raised(run: Run, limits: Thresholds) -> Iterator[Result]:
    """The script raised an exception while it was watched.

    Reported at the innermost line that is the script's own: where torch raises, that is the line
    that called torch. Calls that led there are related locations. A NameError confirms the static
    finding on that name, and any exception a finding that the line it came from must raise; a line
    that was run to its end without one speaks against its own.
    Ctrl-C is no finding.
    """
    raised = run.raised
    yield from _went_well(run)
    if raised is None:
        return
    if raised.type.rpartition(".")[2] == "KeyboardInterrupt":
        yield Abstain("the run was interrupted")
        return
    own = [frame for frame in raised.frames if _is_own(frame, run)]
    sites = [Site(frame.path, frame.line) for frame in own]
    yield Found(
        sites[-1] if sites else None,
        _message(raised, own),
        related=tuple((site, "called from here") for site in reversed(sites[:-1])),
        evidence=(
            measured("exception", raised.type, raised.step),
            *((measured("undefined name", raised.name),) if raised.name else ()),
        ),
    )


def _went_well(run: Run) -> Iterator[Witness]:
    """On the lines that were run nothing failed, but for what was raised."""
    sites = tuple(Site(path, line) for path, lines in run.lines.items() for line in sorted(lines))
    for rules, what in ((NAME_RULES, "NameErrors"), (_ALWAYS_FAIL, "RuntimeErrors")):
        facts = (measured(f"{what} on this line", 0),)
        for rule in rules:
            yield Witness(rule, Verdict.NOT_REPRODUCED, facts, sites)


def _message(raised: Raised, own: list[Frame]) -> str:
    what = raised.type.rpartition(".")[2]
    # The first line says what is wrong; the rest is often a page of state-dict keys.
    text = raised.text.strip().partition("\n")[0]
    told = f"{what}: {text}" if text else what
    inside = raised.frames[-1] if raised.frames else None
    if own and inside is not None and inside is not own[-1]:
        return f"the script raised {told} (inside `{inside.function}`), at step {raised.step}"
    return f"the script raised {told}, at step {raised.step}"


def _is_own(frame: Frame, run: Run) -> bool:
    """A frame of the user's files: one whose lines were collected, else one of no library."""
    if frame.path in run.lines:
        return True
    if frame.path.startswith("<") or "-packages" in frame.path:
        return False
    library = sysconfig.get_paths()["stdlib"]
    return not run.lines and not frame.path.startswith(library)
