"""TRN803."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.lower.values import Obj
from trainlint.lint.model import Event, Script
from trainlint.lint.own_classes import methods, own_classes
from trainlint.lint.rule import found, rule


@rule("TRN803", Severity.ERROR, needs=(b"def forward",))
def layer_built_in_forward(script: Script) -> Iterator[Finding]:
    """`forward` builds a layer with weights on every call.

    Its weights are new and random each time, no optimizer knows them, and nothing is ever learnt
    in it.

    Nothing is said of layers without weights, or where a test decides whether the layer is built.

    Bad:
        import torch
        from torch import nn

        class Net(nn.Module):
            def forward(self, x):
                return nn.Linear(4, 1)(x)  # TRN803
    Good:
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 1)

            def forward(self, x):
                return self.fc(x)

    Source: the PyTorch tutorial "Build the Neural Network".
    """
    forwards = {
        method
        for cls in own_classes(script, "torch.nn.Module")
        for method in methods(cls)
        if method.name.value == "forward"
    }
    for event in script.events("make"):
        made = event.result
        if not isinstance(made, Obj) or made.qualname not in _WITH_WEIGHTS:
            continue
        if event.functions[-1:] and event.functions[-1] in forwards and not _is_decided(event):
            name = made.qualname.rpartition(".")[2]
            yield found(
                event.site,
                f"`forward` builds a new `{name}` on every call: its weights are random each time,"
                " and never trained",
                hint="build it in `__init__`, and keep it as an attribute",
            )


def _is_decided(event: Event) -> bool:
    """Whether a test within `forward` decides it."""
    first, _, last, _ = event.site.script.range(event.functions[-1])
    return any(
        condition.site.script is event.site.script
        and first <= condition.site.script.range(condition.site.node)[0] <= last
        for condition in event.conditions
    )


_WITH_WEIGHTS = frozenset(
    f"torch.nn.{name}"
    for name in """
    Linear Bilinear Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d Embedding
    EmbeddingBag LSTM GRU RNN LSTMCell GRUCell RNNCell BatchNorm1d BatchNorm2d BatchNorm3d
    MultiheadAttention TransformerEncoderLayer TransformerDecoderLayer Transformer PReLU
    """.split()
)
