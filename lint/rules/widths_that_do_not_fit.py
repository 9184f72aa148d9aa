"""TRN816."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.lower.values import Const, Obj
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule


@rule("TRN816", Severity.ERROR, needs=(b"Sequential(",))
def widths_that_do_not_fit(script: Script) -> Iterator[Finding]:
    """Two layers that follow each other in a `Sequential` have widths that do not fit.

    The first call fails with a message about shapes, often after the data is loaded.

    Only constant widths are compared, of layers with nothing but activations, dropout, pooling and
    norms between them.

    Bad:
        import torch
        from torch import nn

        net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(16, 1))  # TRN816
    Good:
        import torch
        from torch import nn

        net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1))

    Source: the documentation of torch.nn.Linear and of torch.nn.Conv2d, on the shapes of their
    inputs.
    """
    for event in script.events("make"):
        made = event.result
        if isinstance(made, Obj) and made.qualname == "torch.nn.Sequential":
            yield from _misfits(made)


def _misfits(container: Obj) -> Iterator[Finding]:
    """Each layer that takes another width than the one before it gives."""
    before: Obj | None = None
    for layer in container.args:
        if not isinstance(layer, Obj) or layer.cls is not None or layer.site is None:
            before = None
            continue
        kind = layer.qualname.rpartition(".")[2]
        if _family(layer) is None:
            before = before if kind in _SAME_WIDTH else None
            continue
        if before is not None and before.site is not None:
            wanted = _size(layer, 0, "in_features", "in_channels", "num_features")
            given = _size(before, 1, "out_features", "out_channels")
            alike = _family(before) == _family(layer) and wanted and given
            if alike and wanted != given:
                name = before.qualname.rpartition(".")[2]
                yield found(
                    layer.site,
                    f"`{kind}` takes {wanted}, but the `{name}` before it gives {given}",
                    related=[(before.site, f"it gives {given}")],
                    hint=f"make them agree: {given} or {wanted} in both",
                )
        if not kind.startswith("BatchNorm"):
            before = layer


def _family(layer: Obj) -> str | None:
    kind = layer.qualname.rpartition(".")[2]
    return next((one for one in _FAMILIES if kind in _FAMILIES[one]), None)


def _size(layer: Obj, position: int, *names: str) -> int | None:
    value = layer.args[position] if len(layer.args) > position else None
    for name in names:
        value = layer.kwargs.get(name, value)
    number = value.value if isinstance(value, Const) else None
    return number if type(number) is int else None


_FAMILIES = {
    "1d": ("Linear", "BatchNorm1d"),
    "conv1d": ("Conv1d", "ConvTranspose1d"),
    "conv2d": ("Conv2d", "ConvTranspose2d", "BatchNorm2d"),
    "conv3d": ("Conv3d", "ConvTranspose3d", "BatchNorm3d"),
}
_SAME_WIDTH = frozenset(
    """
    ReLU LeakyReLU ELU SELU GELU SiLU Sigmoid Tanh Dropout Dropout2d Dropout3d Identity MaxPool1d
    MaxPool2d MaxPool3d AvgPool1d AvgPool2d AvgPool3d Softplus ReLU6 Hardswish Mish
""".split()
)
