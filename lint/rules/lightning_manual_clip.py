"""TRN208."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding, Severity
from trainlint.lint.clipping import clips, only_measures
from trainlint.lint.lower.values import Class
from trainlint.lint.model import Event, Script
from trainlint.lint.rule import found, rule
from trainlint.lint.training import reads

_MODULES = (
    "lightning.LightningModule",
    "pytorch_lightning.LightningModule",
    "lightning.pytorch.LightningModule",
    "pytorch_lightning.core.LightningModule",
    "lightning.pytorch.core.LightningModule",
)
# What makes the optimisation the module's own.
_MANUAL = (b"automatic_optimization", b"manual_backward", b".backward(")


@rule("TRN208", Severity.WARNING, needs=(b"LightningModule",))
def lightning_manual_clip(script: Script) -> Iterator[Finding]:
    """Gradients are clipped in `training_step`, before Lightning makes them.

    Under automatic optimisation Lightning calls `training_step` for the loss, then clears the
    gradients, calls `backward()` and steps. What `training_step` clips is left over from the step
    before, and is thrown away.

    Nothing is said where the script optimises by hand (`automatic_optimization`,
    `manual_backward`, `.backward()`), or where the class derives from something else that cannot
    be seen.

    Bad:
        import torch
        from torch import nn
        import lightning as L

        class Model(L.LightningModule):
            def __init__(self):
                super().__init__()
                self.net = nn.Linear(4, 1)

            def training_step(self, batch, index):
                loss = self.net(batch).square().mean()
                nn.utils.clip_grad_norm_(self.parameters(), 1.0)  # TRN208
                return loss

            def configure_optimizers(self):
                return torch.optim.SGD(self.parameters(), lr=0.1)
    Good:
        import torch
        from torch import nn
        import lightning as L

        class Model(L.LightningModule):
            def __init__(self):
                super().__init__()
                self.net = nn.Linear(4, 1)

            def training_step(self, batch, index):
                return self.net(batch).square().mean()

            def configure_optimizers(self):
                return torch.optim.SGD(self.parameters(), lr=0.1)

        trainer = L.Trainer(gradient_clip_val=1.0)

    Source: the documentation of Lightning, "Automatic Optimization" and "Effective Training
    Techniques", section "Gradient Clipping".
    """
    if reads(script, *_MANUAL):
        return
    steps = set(_training_steps(script))
    for _, clip in clips(script):
        if not steps.isdisjoint(clip.functions) and not only_measures(clip):
            yield _finding(clip)


def _training_steps(script: Script) -> Iterator[cst.CSTNode]:
    for cls in script.classes:
        if _is_lightning(cls):
            for node in cls.node.body.body if cls.node is not None else ():
                if isinstance(node, cst.FunctionDef) and node.name.value == "training_step":
                    yield node


def _is_lightning(cls: Class) -> bool:
    roots = cls.roots()
    return bool(roots) and all(root in _MODULES for root in roots)


def _finding(clip: Event) -> Finding:
    return found(
        clip.site,
        "gradients are clipped in `training_step`, before Lightning clears them and calls"
        " `backward()`: the clipping does nothing",
        hint="hand `gradient_clip_val` to the `Trainer`, or clip in `on_before_optimizer_step`",
    )
