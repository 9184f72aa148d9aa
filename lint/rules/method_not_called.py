"""TRN005."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding, Fix, Severity
from trainlint.lint.lower.values import Bound, Func, Obj, Ref, Value, options_of
from trainlint.lint.mentions import every, walk
from trainlint.lint.model import Event, Script
from trainlint.lint.rule import found, rule

# Methods that are called for what they do, by the kind of object; `""` for one that is not known.
_METHODS = {
    "optimizer": {"step", "zero_grad"},
    "scheduler": {"step"},
    "scaler": {"update"},
    "module": {"train", "eval", "zero_grad", "cuda", "cpu", "half", "float"},
    "loss": {"cuda", "cpu"},
    "writer": {"close", "flush"},
    "output": {"backward"},
    "": {"zero_grad", "backward"},
}
_EFFECTS = {
    "step": "nothing is updated",
    "zero_grad": "no gradient is cleared",
    "backward": "no gradient is computed",
    "eval": "the mode stays as it is",
    "train": "the mode stays as it is",
    "update": "the scale stays as it is",
    "close": "what is still buffered may be lost",
    "flush": "what is still buffered may be lost",
}
# Contexts, with what a call of them needs; None where it cannot be said for certain.
_CONTEXTS = {
    "torch.no_grad": "()",
    "torch.enable_grad": "()",
    "torch.inference_mode": "()",
    "torch.autograd.no_grad": "()",
    "torch.autograd.grad_mode.no_grad": "()",
    "torch.cuda.amp.autocast": "()",
    "torch.autograd.detect_anomaly": "()",
    "torch.autocast": None,
    "torch.amp.autocast": None,
    "torch.set_grad_enabled": None,
}


@rule("TRN005", Severity.ERROR)
def method_not_called(script: Script) -> Iterator[Finding]:
    """A method or context is named and not called.

    `optimizer.step` without parentheses is an expression that does nothing: Python says no word,
    and the model never learns, or is validated in training mode. `with torch.no_grad:` fails
    once it is reached.

    Only statements that consist of the attribute alone are meant, on objects that are known by what
    they were made from; on others only `zero_grad` and `backward`, which nothing else is named.
    Left alone are properties, and what a `try` probes for.

    Bad:
        import torch

        def train(model, loader, criterion):
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for x, y in loader:
                optimizer.zero_grad  # TRN005
                criterion(model(x), y).backward()
                optimizer.step()
    Good:
        import torch

        def train(model, loader, criterion):
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for x, y in loader:
                optimizer.zero_grad()
                criterion(model(x), y).backward()
                optimizer.step()

    Fix safety: the fix adds the parentheses, where the call needs no argument; the statement did
    nothing before.
    Source: the documentation of torch.optim.Optimizer.step, torch.nn.Module.eval and torch.no_grad;
    pylint finds the general case (W0104, W0106).
    """
    if not script.whole:
        return
    for event in script.events("bare"):
        if _is_method(event) and not _is_probed(event):
            yield _finding(event)
    for event in script.events("enter"):
        name = event.result.name if isinstance(event.result, Ref) else ""
        if name in _CONTEXTS:
            yield _context_finding(event, name)


def _is_method(event: Event) -> bool:
    return all(
        isinstance(one, Bound) and _has_method(one.receiver, event.callee)
        for one in options_of(event.result)
    )


def _has_method(receiver: Value, name: str) -> bool:
    kind = receiver.kind if isinstance(receiver, Obj) else ""
    if isinstance(receiver, Obj) and receiver.cls is not None:
        member = receiver.cls.find(name)
        if member is not None:
            return isinstance(member, Func) and not member.decorators
        if "?" in receiver.cls.roots():
            return False
    elif isinstance(receiver, (Ref, Func)):
        return False
    return name in _METHODS.get(kind, _METHODS[""])


def _finding(event: Event) -> Finding:
    text, name = event.site.text, event.callee
    effect = _EFFECTS.get(name, "nothing happens")
    return found(
        event.site,
        f"`{text}` is named, but not called: {effect}",
        hint=f"write `{text}()`",
        fix=_fix(event, "()" if _needs_nothing(event) else None),
    )


def _needs_nothing(event: Event) -> bool:
    receivers = options_of(event.receiver)
    needing = ("ReduceLROnPlateau", "LBFGS")
    return all(not isinstance(one, Obj) or not one.qualname.endswith(needing) for one in receivers)


def _context_finding(event: Event, name: str) -> Finding:
    text = event.site.text
    return found(
        event.site,
        f"`{text}` is named as a context, but not called: `with` cannot enter it",
        hint=f"write `with {text}({'...' if _CONTEXTS[name] is None else ''}):`",
        fix=_fix(event, _CONTEXTS[name]),
    )


def _fix(event: Event, call: str | None) -> Fix | None:
    if call is None:
        return None
    edit = event.site.script.edit(event.site.node, event.site.text + call)
    return None if edit is None else Fix(f"Call `{event.site.text}()`", (edit,), safe=True)


def _is_probed(event: Event) -> bool:
    """Whether it is all that a `try` tries: naming an attribute asks whether it is there."""
    tries = every(event.site.script.module, cst.Try)
    probed = {node for one in tries if len(one.body.body) == 1 for node in walk(one.body)}
    return event.site.node in probed
