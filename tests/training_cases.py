"""Scripts that several files of tests share, those of clipping and mixed precision above all."""

from __future__ import annotations

import textwrap

from trainlint.finding import Finding

HEAD = """
import torch
from torch import nn

model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = torch.randn(20, 8, 4)
"""

SCALED = HEAD + "scaler = torch.amp.GradScaler()\n"


def script(body: str, head: str = HEAD) -> str:
    """A body after a head that makes a model, an optimizer and data."""
    return head.lstrip("\n") + "\n" + textwrap.dedent(body).lstrip("\n")


def mended(code: str, finding: Finding) -> str:
    """The code with a finding's fix applied."""
    assert finding.fix is not None
    data = code.encode()
    for edit in sorted(finding.fix.edits, key=lambda one: one.start, reverse=True):
        data = data[: edit.start] + edit.content.encode() + data[edit.end :]
    return data.decode()


# A model whose softmax a cross-entropy gets, in whichever file that stands.
SOFTMAX_MODEL = """from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(784, 10), nn.Softmax(dim=1))

    def forward(self, x):
        return self.layers(x)
"""
