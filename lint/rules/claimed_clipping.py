"""TRN201."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding, Fix
from trainlint.lint.claimed import WHERE
from trainlint.lint.lower.subjects import CLIP
from trainlint.lint.lower.values import Bound, Choice, Const, Func, Map, Obj, Ref, Seq, Value
from trainlint.lint.model import Claim, Event, Script
from trainlint.lint.rule import found, rule
from trainlint.lint.training import Update, updates

# What may clip without a call that says so, by a part of its name.
_MAY_CLIP = ("clip", "clamp", "max_grad_norm", "deepspeed", "lightning", "accelerate", "fabric")


@rule("TRN201", needs=CLIP.screen)
def claimed_clipping(script: Script) -> Iterator[Finding]:
    """A comment, docstring, option or text says that gradients are clipped, and nothing clips.

    Clipping that is only written about does not bound any gradient: the first outlier batch moves
    the weights as far as it likes, and the reader of the comment looks for the cause elsewhere.

    All that can clip counts as clipping: torch's functions, methods of that name, hooks on
    gradients, writing to `.grad`, and any code that cannot be seen and is handed the loss, the
    optimizer or the gradients. A claim counts only where it is made as a fact of this code; plans,
    possibilities, how-to lists and disabled lines do not.

    Bad:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            loss = model(torch.randn(8, 4)).square().mean()
            loss.backward()
            # clip gradients to unit norm  # TRN201
            optimizer.step()
    Good:
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            loss = model(torch.randn(8, 4)).square().mean()
            loss.backward()
            # clip gradients to unit norm
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()

    Fix safety: the fix adds the call, with a norm of 1.0. That changes how the model trains, and
    the norm is a guess: it is unsafe.
    Source: Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural
    networks" (2013), for what clipping does; torch.nn.utils.clip_grad_norm_, for where it
    belongs.
    """
    claims = [claim for claim in script.claims if claim.what == "clip"]
    if not claims or not script.whole or not script.complete or _may_clip(script):
        return
    loops = [update for update in updates(script) if not _hidden(update)]
    for claim in claims:
        update = next((u for u in loops if _speaks_of(script, claim, u)), None)
        if update is not None and (claim.where != "option" or not _is_read(script, claim)):
            yield _finding(script, claim, update)
            return  # one mistake, however often it is described


def _may_clip(script: Script) -> bool:
    """Whether anything in the script clips, or could."""
    if any(True for _ in script.events("clip", "hook")):
        return True
    for event in script.events("set_grad"):
        if not (isinstance(event.result, Const) and event.result.value is None):
            return True
    for event in script.events("opaque", "call", "method", "make"):
        named = event.callee.lower()
        if any(word in named for word in _MAY_CLIP) and not _on_weights(event):
            return True
        if any(word in (arg.keyword or "") for arg in event.args for word in _MAY_CLIP):
            return True
        if ".grad" in event.receiver_text and event.callee not in ("zero_", "detach_", "zero_grad"):
            return True
        if event.kind == "opaque" and any(_holds_optimizer(arg.value) for arg in event.args):
            return True
    return False


def _on_weights(event: Event) -> bool:
    """`p.data.clamp_(…)`, `torch.clamp(x, …)`: clipping of something that is no gradient."""
    plain = event.callee.split(".")[-1] in ("clamp", "clamp_", "clip", "clip_", "clamp_min")
    texts = [event.receiver_text, *(arg.text for arg in event.args)]
    return plain and not any("grad" in text for text in texts)


def _holds_optimizer(value: Value, depth: int = 0) -> bool:
    """Whether code that is handed this value gets hold of an optimizer."""
    if depth > 4:
        return False
    if isinstance(value, Obj):
        return value.kind == "optimizer" or (value.cls is not None and value.kind == "object")
    if isinstance(value, Bound):
        return _holds_optimizer(value.receiver, depth + 1)
    if isinstance(value, (Seq, Choice)):
        parts: tuple[Value, ...] = value.items if isinstance(value, Seq) else value.options
        return any(_holds_optimizer(part, depth + 1) for part in parts)
    if isinstance(value, Map):
        return any(_holds_optimizer(part, depth + 1) for part in value.items.values())
    return isinstance(value, Func)


def _hidden(update: Update) -> bool:
    """Whether something unseen stands between backward and step, with gradients in its reach."""
    for event in update.between:
        if event.kind != "opaque":
            continue
        handed = [event.receiver, *(arg.value for arg in event.args)]
        if any(not isinstance(value, (Const, Ref)) for value in handed):
            return True
    return False


def _speaks_of(script: Script, claim: Claim, update: Update) -> bool:
    """Whether a claim stands where it can mean this loop."""
    if claim.scope is None or claim.where == "option":
        return True
    return any(claim.scope in script.names.around(function) for function in update.functions)


def _is_read(script: Script, claim: Claim) -> bool:
    """Whether the value of an option goes anywhere: then it may reach what clips."""
    name = claim.text.lstrip("-").replace("-", "_")
    return name in script.source.code.replace(claim.text, "")


def _finding(script: Script, claim: Claim, update: Update) -> Finding:
    step = update.step.receiver_text or "optimizer"
    return found(
        claim.location,
        f"{WHERE[claim.where]} that gradients are clipped, but nothing clips them",
        related=[
            (update.backward.site, "the gradients are made here"),
            (update.step.site, f"and `{step}.step()` takes them as they are"),
        ],
        hint="call `torch.nn.utils.clip_grad_norm_(…, max_norm)` between the two lines",
        fix=_fix(script, update),
    )


def _fix(script: Script, update: Update) -> Fix | None:
    """The call, on a line of its own before the step."""
    function = _clip_function(script)
    if script.source.kind != "python" or function is None or not update.step.receiver_name:
        return None
    if update.step.site.script is not script:
        return None  # it stands in another file than the claim
    line, column, _, _ = script.range(update.step.site.node)
    if script.source.code_lines[line - 1][:column].strip():
        return None  # the step shares its line with something else
    held = f'(p for group in {update.step.receiver_text}.param_groups for p in group["params"])'
    call = f"{function}({_parameters_text(update) or held}, max_norm=1.0)"
    edit = script.insert_line(line, call)
    return None if edit is None else Fix("Clip the gradient norm to 1.0", (edit,), safe=False)


def _parameters_text(update: Update) -> str | None:
    """`net.parameters()`, as the optimizer was given it, where the loop sees the same names."""
    made = update.optimizer
    if not isinstance(made, Obj) or made.site is None or update.step.functions:
        return None
    call = made.site.node
    if not isinstance(call, cst.Call) or not call.args:
        return None
    given = made.site.script.module.code_for_node(call.args[0].value)
    return given if re.fullmatch(r"[\w.]+\.parameters\(\)", given) else None


def _clip_function(script: Script) -> str | None:
    """How the script can name the function with what it has imported."""
    bound = script.names.module.bindings
    for name, spelling in (
        ("clip_grad_norm_", "clip_grad_norm_"),
        ("torch", "torch.nn.utils.clip_grad_norm_"),
        ("nn", "nn.utils.clip_grad_norm_"),
    ):
        if name in bound:
            return spelling
    return None
