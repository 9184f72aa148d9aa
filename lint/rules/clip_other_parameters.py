"""TRN205."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.clipping import clips, is_clip, may_share, only_measures, owners, trained_by
from trainlint.lint.lower.values import Obj, Value
from trainlint.lint.model import Event, Script, Trace
from trainlint.lint.passes import exclusive, implied, may_train, pass_of
from trainlint.lint.rule import found, rule
from trainlint.lint.scaling import unscaled_by_hand


@rule("TRN205", Severity.WARNING, needs=(b"clip_grad",))
def clip_other_parameters(script: Script) -> Iterator[Finding]:
    """The gradients of one model are clipped, and those of another are stepped.

    Clipping bounds the gradients of the parameters that it is handed. Where the optimizer that
    steps next was made of another model's parameters, its gradients are taken unclipped, and what
    was clipped is cleared before anything uses it: the usual slip of a loop that trains two
    models.

    Nothing is said unless it is known whose parameters both were made of, and that the clipped
    model does not step before its gradients are cleared. A model that holds the other, gradients
    that are written or read by hand, and code that cannot be seen keep the rule silent.

    Bad:
        import torch
        from torch import nn

        actor, critic = nn.Linear(4, 1), nn.Linear(4, 1)
        actor_optimizer = torch.optim.Adam(actor.parameters())
        critic_optimizer = torch.optim.Adam(critic.parameters())
        for x in torch.randn(20, 8, 4):
            critic_optimizer.zero_grad()
            critic(x).square().mean().backward()
            nn.utils.clip_grad_norm_(actor.parameters(), 1.0)  # TRN205
            critic_optimizer.step()
            actor_optimizer.zero_grad()
            actor(x).square().mean().backward()
            nn.utils.clip_grad_norm_(actor.parameters(), 1.0)
            actor_optimizer.step()
    Good:
        import torch
        from torch import nn

        actor, critic = nn.Linear(4, 1), nn.Linear(4, 1)
        actor_optimizer = torch.optim.Adam(actor.parameters())
        critic_optimizer = torch.optim.Adam(critic.parameters())
        for x in torch.randn(20, 8, 4):
            critic_optimizer.zero_grad()
            critic(x).square().mean().backward()
            nn.utils.clip_grad_norm_(critic.parameters(), 1.0)
            critic_optimizer.step()
            actor_optimizer.zero_grad()
            actor(x).square().mean().backward()
            nn.utils.clip_grad_norm_(actor.parameters(), 1.0)
            actor_optimizer.step()

    Source: the documentation of torch.nn.utils.clip_grad_norm_: it clips the parameters that it is
    given.
    """
    for trace, clip in clips(script):
        given = clip.argument(0, "parameters")
        clipped = owners(given.value) if given is not None else None
        if given is None or clipped is None or only_measures(clip):
            continue
        step = _next_step(script, trace, clip, clipped)
        if step is not None and not unscaled_by_hand(trace):
            yield _finding(clip, step, given.text)


def _next_step(script: Script, trace: Trace, clip: Event, clipped: set[Value]) -> Event | None:
    """The step that takes other gradients than those clipped, which nothing takes."""
    pass_ = pass_of(trace, clip)
    wrong: Event | None = None
    for event in pass_.after(clip):
        if exclusive(event, clip):
            continue
        if may_train(event) and event not in pass_.computing:
            return None
        if event.kind == "step":
            trained = trained_by(event.receiver)
            if trained is None or _related(script, trained, clipped):
                return None
            wrong = wrong or event
        elif event.kind == "zero_grad" and _clears(event, clipped) and implied(event, clip):
            break
        elif is_clip(event) and wrong is None:
            return None  # several are clipped for one step
    else:
        if _is_trained(script, clipped):
            return None
    return wrong if wrong is not None and _is_next(pass_.before(clip), clip) else None


def _is_next(before: Iterator[Event], clip: Event) -> bool:
    """Whether a backward comes just before: no other clipping that the step may be meant for."""
    for event in before:
        if exclusive(event, clip):
            continue
        if event.kind == "backward":
            return True
        if is_clip(event) or event.kind in ("step", "zero_grad"):
            return False
    return False


def _clears(event: Event, clipped: set[Value]) -> bool:
    cleared = {event.receiver} if _is_module(event.receiver) else trained_by(event.receiver)
    return cleared is not None and clipped <= cleared


def _is_module(value: Value) -> bool:
    return isinstance(value, Obj) and value.kind == "module"


def _is_trained(script: Script, clipped: set[Value]) -> bool:
    """Whether any optimizer takes the clipped gradients, or could."""
    for event in script.events("make"):
        if isinstance(event.result, Obj) and event.result.kind == "optimizer":
            trained = trained_by(event.result)
            if trained is None or _related(script, trained, clipped):
                return True
    return False


def _related(script: Script, one: set[Value], other: set[Value]) -> bool:
    """Whether two sets of modules may share parameters."""
    return any(left is right or may_share(script, left, right) for left in one for right in other)


def _finding(clip: Event, step: Event, clipped: str) -> Finding:
    optimizer = step.args[0].text if step.scaler is not None else step.receiver_text
    name = optimizer or "the optimizer"
    made = step.receiver.site if isinstance(step.receiver, Obj) else None
    related = [(step.site, f"`{name}` steps other parameters than those")]
    if made is not None:
        related.append((made, "here it is made of them"))
    return found(
        clip.site,
        f"`{clipped}` are clipped, but `{name}` steps next, and it trains another model: the"
        " gradients that it takes are not clipped",
        related=related,
        hint=f"clip the parameters that `{name}` was made of",
    )
