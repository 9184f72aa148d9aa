"""TRN002: well-known imports that are missing."""

from __future__ import annotations

import pytest
from marked import assert_marked

FOUND = {
    "F in forward": """
        import torch
        from torch import nn

        class Net(nn.Module):
            def forward(self, x):
                return F.relu(x)  # TRN002
        """,
    "F in a function": """
        import torch

        def loss(output, target):
            return F.cross_entropy(output, target)  # TRN002
        """,
    "F at module level": """
        import torch

        x = F.softmax(torch.zeros(2, 3), dim=1)  # TRN002
        """,
    "functional under another alias": """
        import torch
        import torch.nn.functional as functional

        x = F.one_hot(torch.zeros(3).long())  # TRN002
        """,
    "nn under another alias": """
        import torch
        import torch.nn as tnn

        model = nn.Linear(2, 2)  # TRN002
        """,
    "optim": """
        import torch
        from torch import nn

        optimizer = optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)  # TRN002
        """,
    "torch itself": """
        from torch import nn

        x = torch.zeros(3)  # TRN002
        """,
    "numpy": """
        import torch

        def to_array(x):
            return np.asarray(x.cpu())  # TRN002
        """,
    "a class of torch's": """
        import torch

        loader = DataLoader([torch.zeros(1)], batch_size=2)  # TRN002
        """,
    "a writer": """
        import torch

        writer = SummaryWriter("runs")  # TRN002
        """,
    "a progress bar": """
        import torch

        for _ in tqdm(range(3)):  # TRN002
            torch.zeros(1)
        """,
    "a function of torch's": """
        import torch

        clip_grad_norm_([torch.zeros(1)], 1.0)  # TRN002
        """,
    "two at once": """
        import torch

        def norm(x):
            return math.sqrt(F.mse_loss(x, torch.zeros(3)))  # TRN002 TRN002
        """,
}

LEFT_ALONE = {
    "imported as a module": """
        import torch.nn.functional as F

        x = F.relu(None)
        """,
    "imported from torch.nn": """
        from torch.nn import functional as F

        x = F.relu(None)
        """,
    "imported later than its use in a function": """
        import torch

        def forward(x):
            return F.relu(x)

        import torch.nn.functional as F
        """,
    "a parameter": """
        import torch

        def apply(F, x):
            return F.relu(torch.as_tensor(x))
        """,
    "another module called F": """
        import torch
        import torchvision.transforms.functional as F

        x = F.resize(torch.zeros(3, 8, 8), 4)
        """,
    "a variable called F": """
        import torch

        F = torch.fft.fft(torch.zeros(8))
        print(F.real)
        """,
    "imported where it is used": """
        import torch

        def plot(x):
            import numpy as np
            return np.asarray(x)
        """,
    "imported in a try": """
        import torch

        try:
            from tqdm import tqdm
        except ImportError:
            def tqdm(x):
                return x

        for _ in tqdm(range(3)):
            pass
        """,
    "from a star import": """
        import torch
        from common import *

        x = np.zeros(3)
        """,
    "a submodule import binds the package": """
        import torch.nn
        import os.path

        x = torch.zeros(3), os.getcwd()
        """,
    "attributes of self": """
        import torch

        class Trainer:
            def __init__(self, np, F):
                self.np, self.F = np, F

            def run(self):
                return self.np.zeros(3), self.F.relu(torch.zeros(1))
        """,
    "under TYPE_CHECKING": """
        from __future__ import annotations
        from typing import TYPE_CHECKING
        import torch

        if TYPE_CHECKING:
            import numpy as np

        def to_array(x: torch.Tensor) -> np.ndarray:
            return x.numpy()
        """,
}


@pytest.mark.parametrize("code", FOUND.values(), ids=FOUND)
def test_found(code: str) -> None:
    assert_marked(code)


@pytest.mark.parametrize("code", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_left_alone(code: str) -> None:
    assert "TRN" not in code
    assert_marked(code)


def test_what_the_alias_may_mean_decides_its_code() -> None:
    """`F.to_tensor` is torchvision's: an undefined name, of which no import is known."""
    assert_marked(
        """
        import torch

        x = F.to_tensor(torch.zeros(1))  # TRN001
        """
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"""Doc."""\nimport torch\n\nF.relu(torch.zeros(1))\n',
         '"""Doc."""\nimport torch\nimport torch.nn.functional as F\n\nF.relu(torch.zeros(1))\n'),
        ("from torch import nn\r\nx = F.relu(nn.Linear(1, 1))\r\n",
         "from torch import nn\r\nimport torch.nn.functional as F\r\n"
         "x = F.relu(nn.Linear(1, 1))\r\n"),
        ("#!/usr/bin/env python\n# -*- coding: utf-8 -*-\nfrom __future__ import annotations\n"
         "import torch\n\nprint(F.relu(torch.zeros(1)))\n",
         "#!/usr/bin/env python\n# -*- coding: utf-8 -*-\nfrom __future__ import annotations\n"
         "import torch\nimport torch.nn.functional as F\n\nprint(F.relu(torch.zeros(1)))\n"),
    ],
)  # fmt: skip
def test_fix_adds_the_import(before: str, after: str) -> None:
    from marked import check_text

    (finding,) = check_text(before)
    assert finding.fix is not None
    assert finding.fix.safe
    (edit,) = finding.fix.edits
    data = before.encode()
    mended = data[: edit.start] + edit.content.encode() + data[edit.end :]
    assert mended.decode() == after
    assert check_text(after) == []
