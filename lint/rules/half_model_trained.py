"""TRN218."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Confidence, Finding, Severity
from trainlint.lint.clipping import trained_by
from trainlint.lint.lower.calls import unwrapped
from trainlint.lint.lower.values import Obj, Ref, Value
from trainlint.lint.model import Event, Script, Trace
from trainlint.lint.rule import found, rule
from trainlint.lint.training import all_updates, escaped

_BACK = ("float", "double", "bfloat16")


@rule("TRN218", Severity.WARNING, needs=(b"half()", b"float16"), confidence=Confidence.MEDIUM)
def half_model_trained(script: Script) -> Iterator[Finding]:
    """A model's weights are float16, and a plain optimizer trains them.

    Near 1.0 float16 has steps of 0.001: an update smaller than half of that is rounded away, and
    Adam's epsilon of 1e-8 is zero, so that it divides by zero. Mixed precision keeps the weights
    in float32 and lets autocast compute in float16.

    Off by default: with a large epsilon and learning rate, or an optimizer that keeps weights of
    its own, it can work.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1).cuda()
        model.half()  # TRN218
        optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
        for _ in range(10):
            optimizer.zero_grad()
            loss = model(torch.randn(8, 4, device="cuda").half()).float().square().mean()
            loss.backward()
            optimizer.step()
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1).cuda()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
        scaler = torch.amp.GradScaler()
        for _ in range(10):
            optimizer.zero_grad()
            with torch.autocast("cuda"):
                loss = model(torch.randn(8, 4, device="cuda")).square().mean()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()

    Source: Micikevicius et al., "Mixed Precision Training" (2018), section 3.1, "FP32 master copy
    of weights".
    """
    told: set[Value] = set()
    for update in all_updates(script):
        trained = trained_by(update.optimizer)
        if update.optimizer in told or trained is None or escaped(script, update.optimizer):
            continue
        cast = _last_cast(update.trace, trained, update.step)
        if cast is not None and _to_half(cast):
            told.add(update.optimizer)
            yield _finding(cast, update.step)


def _last_cast(trace: Trace, models: set[Value], step: Event) -> Event | None:
    """The last change of a model's type before its step."""
    for event in reversed(trace.events[: trace.events.index(step)]):
        if event.kind != "method" or unwrapped(event.receiver) not in models:
            continue
        if event.callee in (*_BACK, "half") or (event.callee in ("to", "type") and _types(event)):
            return event
    return None


def _types(event: Event) -> list[str]:
    values = [arg.value for arg in event.args]
    return [value.name for value in values if isinstance(value, Ref) and _is_type(value.name)]


def _is_type(name: str) -> bool:
    return name.startswith(("torch.float", "torch.half", "torch.bfloat", "torch.double"))


def _to_half(event: Event) -> bool:
    return event.callee == "half" or _types(event) in (["torch.float16"], ["torch.half"])


def _finding(cast: Event, step: Event) -> Finding:
    model = cast.receiver_text or "the model"
    optimizer = step.receiver
    made = optimizer.site if isinstance(optimizer, Obj) else None
    related = [(step.site, "this rounds each update to float16")]
    if made is not None:
        related.append((made, "the optimizer keeps no weights in float32"))
    return found(
        cast.site,
        f"the weights of `{model}` are float16, and a plain optimizer trains them: small updates"
        " are rounded away",
        related=related,
        hint="keep the weights in float32, and compute under `torch.autocast` with a GradScaler",
    )
