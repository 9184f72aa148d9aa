"""TRN006."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

import libcst as cst

from trainlint.finding import Finding, Fix, Severity
from trainlint.lint.lower.syntax import dotted
from trainlint.lint.lower.values import Bound, Const, Obj, Ref, Value, options_of
from trainlint.lint.mentions import mentions, read_attributes, walk
from trainlint.lint.model import Event, Script
from trainlint.lint.rule import found, rule

_SWITCHES = (
    "enabled", "benchmark", "benchmark_limit", "deterministic", "allow_tf32", "fp32_precision",
    "verbose",
)  # fmt: skip
_GROUP_OPTIONS = frozenset({"lr", "learning_rate", "weight_decay", "momentum", "betas", "eps"})
# What torchvision's models call their parts.
_PARTS = frozenset({
    "fc", "classifier", "features", "layer1", "layer2", "layer3", "layer4", "conv1", "bn1",
    "backbone", "head", "heads", "encoder", "avgpool", "aux_classifier",
})  # fmt: skip
_GRAD_SLIPS = frozenset({
    "require_grad", "requires_grads", "require_grads", "required_grad", "required_grads",
    "requiresgrad", "requiregrad", "requires_gradient", "require_gradient", "requires_gradients",
    "requires_gard", "require_gard", "requiers_grad", "requries_grad", "requried_grad",
    "reqires_grad", "requres_grad", "requies_grad", "requirs_grad", "require_grad_",
    "requiresGrad", "requireGrad",
})  # fmt: skip
_MODAL = ("Dropout", "BatchNorm", "InstanceNorm", "RReLU", "MultiheadAttention", "Transformer")


@rule("TRN006", Severity.ERROR)
def misspelt_attribute(script: Script) -> Iterator[Finding]:
    """An attribute is set that nothing reads.

    Python lets any attribute be set: `param.require_grad = False` freezes nothing, `requires_grad`
    of a whole module reaches none of its parameters, `model.training = False` none of its layers,
    `optimizer.lr` no parameter group, and a misspelt switch of `torch.backends.cudnn` is no switch.

    Nothing is said where the script itself reads or defines an attribute of that name, and of
    objects of which it is not known what they are. A module's mode may be set where it has no
    layers with a mode.

    Bad:
        import torch

        model = torch.nn.Linear(2, 2)
        for param in model.parameters():
            param.require_grad = False  # TRN006
        model.requires_grad = False  # TRN006
    Good:
        import torch

        model = torch.nn.Linear(2, 2)
        for param in model.parameters():
            param.requires_grad = False
        model.requires_grad_(False)

    Fix safety: the fix spells the attribute right, or calls the method that does what the
    assignment was to do. What was set before had no effect.
    Source: the documentation of torch.Tensor.requires_grad, torch.nn.Module.requires_grad_,
    torch.nn.Module.train and torch.optim.Optimizer.add_param_group; each was tried with torch 2.13.
    """
    if not script.whole:
        return
    for event in script.events("set_attribute"):
        if isinstance(event.site.node, cst.Attribute) and event.receiver_text != "self":
            finding = _judge(event)
            if finding is not None:
                yield finding


def _judge(event: Event) -> Finding | None:
    name = event.callee
    if name in _GRAD_SLIPS and isinstance(event.result, Const) and not _is_mentioned(event):
        return _misspelt(event, "requires_grad", f"`{name}` is no attribute of a tensor")
    if name == "requires_grad_" and isinstance(event.result, Const):
        return _misspelt(event, "requires_grad", "it hides the method, and sets nothing")
    if name == "requires_grad" and _is_module(event):
        return _on_module(event)
    if name == "training" and _has_modes(event):
        return _mode(event)
    if name in _GROUP_OPTIONS and not _is_read(event):
        return _group_option(event)
    if isinstance(event.receiver, Ref) and event.receiver.name == "torch.backends.cudnn":
        close = get_close_matches(name, _SWITCHES, 1, 0.75)
        if name not in _SWITCHES and close and not _is_mentioned(event):
            return _misspelt(event, close[0], f"`torch.backends.cudnn` has no `{name}`")
    return None


def _is_mentioned(event: Event) -> bool:
    """Whether the script reads or defines something of that name: then it is its own."""
    return mentions(event.site.script.module)[event.callee] > 0


def _misspelt(event: Event, right: str, why: str) -> Finding:
    node = event.site.node
    assert isinstance(node, cst.Attribute)
    edit = event.site.script.edit(node.attr, right)
    fix = None if edit is None else Fix(f"Set `{right}`", (edit,), safe=True)
    text = event.site.text
    return found(event.site, f"setting `{text}` does nothing: {why}",
                 hint=f"set `{event.receiver_text}.{right}`", fix=fix)  # fmt: skip


# -- modules -----------------------------------------------------------------------------------


def _is_module(event: Event) -> bool:
    """A module for sure, whose class does not itself deal with `requires_grad`."""
    return all(_is_plain_module(one, event) for one in options_of(event.receiver))


def _is_plain_module(value: Value, event: Event) -> bool:
    if not isinstance(value, Obj):
        return _is_part(value, event) or _runs_over_modules(event)
    if value.kind not in ("module", "loss"):
        return False
    return value.cls is None or (
        value.cls.find("requires_grad") is None and "?" not in value.cls.roots()
    )


def _is_part(value: Value, event: Event) -> bool:
    """`model.fc` of one of torchvision's models."""
    owner = value.receiver if isinstance(value, Bound) else None
    if not isinstance(value, Bound) or not isinstance(owner, Obj) or owner.cls is not None:
        return False
    return owner.qualname.startswith("torchvision.models.") and value.name in _PARTS


def _runs_over_modules(event: Event) -> bool:
    """Whether the receiver is what a loop over `modules()` or `children()` takes in turn."""
    for loop in event.loops:
        node = loop.site.node
        if not isinstance(node, cst.For) or not isinstance(node.iter, cst.Call):
            continue
        method = node.iter.func.attr.value if isinstance(node.iter.func, cst.Attribute) else ""
        target: cst.CSTNode = node.target
        if method in ("named_modules", "named_children") and isinstance(target, cst.Tuple):
            target = target.elements[-1].value
        elif method not in ("modules", "children"):
            continue
        if isinstance(target, cst.Name) and target.value == event.receiver_text:
            return True
    return False


def _on_module(event: Event) -> Finding:
    owner, value = event.receiver_text, _assigned(event)
    call = f"{owner}.requires_grad_({value or 'False'})"
    return found(
        event.site,
        f"`{event.site.text}` is set on a module: none of its parameters is told",
        hint=f"write `{call}`",
        fix=_rewritten(event, call) if value else None,
    )


def _has_modes(event: Event) -> bool:
    """A module that is more than one layer, in a script whose layers have modes."""
    value = event.receiver
    if not isinstance(value, Obj) or value.kind != "module" or not _is_plain_module(value, event):
        return False
    if not isinstance(event.result, Const) or not isinstance(event.result.value, bool):
        return False
    if value.qualname.startswith("torchvision.models."):
        return True
    if value.qualname == "torch.nn.Sequential":
        return any(isinstance(one, Obj) and _is_modal(one.qualname) for one in value.args)
    return value.cls is not None and any(_makes_modal(one.node) for one in value.cls.mro())


def _is_modal(name: str) -> bool:
    return name.split(".")[-1].startswith(_MODAL)


def _makes_modal(node: cst.ClassDef | None) -> bool:
    """Whether a class's text makes a layer that has a mode."""
    calls = (call for call in walk(node) if isinstance(call, cst.Call)) if node else ()
    return any(_is_modal(dotted(call.func) or "") for call in calls)


def _mode(event: Event) -> Finding:
    assert isinstance(event.result, Const)
    call = f"{event.receiver_text}.{'train' if event.result.value else 'eval'}()"
    return found(
        event.site,
        f"`{event.site.text}` is set on the whole model: its layers keep the mode they are in",
        hint=f"write `{call}`",
        fix=_rewritten(event, call),
    )


# -- optimizers --------------------------------------------------------------------------------


def _is_read(event: Event) -> bool:
    module, text = event.site.script.module, event.site.text
    return any(
        node.attr.value == event.callee and module.code_for_node(node).strip() == text
        for node in read_attributes(module)
    )


def _group_option(event: Event) -> Finding | None:
    options = options_of(event.receiver)
    kinds = {one.kind for one in options if isinstance(one, Obj) and one.cls is None}
    if not all(isinstance(one, Obj) and one.cls is None for one in options):
        return None
    name = "lr" if event.callee == "learning_rate" else event.callee
    if kinds == {"optimizer"}:
        owner = event.receiver_text
        hint = f'set it in each group: `for g in {owner}.param_groups: g["{name}"] = ...`'
        return found(event.site, f"nothing reads `{event.site.text}`: an optimizer keeps its"
                     " options in its parameter groups", hint=hint)  # fmt: skip
    if kinds == {"scheduler"} and name == "lr":
        hint = "set the rate in each of its optimizer's `param_groups`"
        return found(event.site, f"nothing reads `{event.site.text}`: a scheduler computes the rate"
                     " and writes it into its optimizer", hint=hint)  # fmt: skip
    return None


# -- rewriting ---------------------------------------------------------------------------------


def _statement(event: Event) -> cst.Assign | None:
    """The assignment that sets this attribute and nothing else."""
    return next(
        (
            node
            for node in walk(event.site.script.module)
            if isinstance(node, cst.Assign)
            and len(node.targets) == 1
            and node.targets[0].target is event.site.node
        ),
        None,
    )


def _assigned(event: Event) -> str | None:
    statement = _statement(event)
    return None if statement is None else event.site.script.module.code_for_node(statement.value)


def _rewritten(event: Event, call: str) -> Fix | None:
    statement = _statement(event)
    edit = event.site.script.edit(statement, call) if statement is not None else None
    return None if edit is None else Fix(f"Write `{call}`", (edit,), safe=True)
