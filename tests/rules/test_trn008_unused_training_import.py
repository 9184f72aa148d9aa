"""TRN008: what is imported for the training and never used."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from marked import check_text, expected

from trainlint.lint.engine import check_paths
from trainlint.selection import Selection

TRAINING = """
def train(model, loader, optimizer):
    for x in loader:
        optimizer.zero_grad()
        model(x).mean().backward()
        optimizer.step()
"""

FOUND = {
    "clipping": "from torch.nn.utils import clip_grad_norm_  # TRN008",
    "schedulers": "from torch.optim.lr_scheduler import StepLR, OneCycleLR  # TRN008 TRN008",
    "the schedulers' module": "from torch.optim import lr_scheduler  # TRN008",
    "a sampler": "from torch.utils.data import SubsetRandomSampler  # TRN008",
    "a split": "from torch.utils.data import random_split  # TRN008",
    "data parallel, renamed": "from torch.nn.parallel import DataParallel as Wrapped  # TRN008",
    "mixed precision": "from torch.cuda.amp import GradScaler  # TRN008",
    "early stopping": "from callbacks import EarlyStopping  # TRN008",
}  # fmt: skip

LEFT_ALONE = {
    "used": """
        from torch.nn.utils import clip_grad_norm_

        def clip(model):
            clip_grad_norm_(model.parameters(), 1.0)
        """,
    "used as a class's attribute": """
        from torch.optim import lr_scheduler

        def schedule(optimizer):
            return lr_scheduler.StepLR(optimizer, 10)
        """,
    "clipped otherwise": """
        from torch.nn.utils import clip_grad_norm_

        def clip(model):
            torch.nn.utils.clip_grad_value_(model.parameters(), 1.0)
        """,
    "another schedule": """
        from torch.optim.lr_scheduler import StepLR

        def decay(optimizer):
            for group in optimizer.param_groups:
                group["lr"] *= 0.1
        """,
    "split otherwise": """
        from torch.utils.data import random_split

        def split(data):
            return torch.utils.data.Subset(data, range(10))
        """,
    "named for others": """
        from torch.nn.utils import clip_grad_norm_

        __all__ = ["clip_grad_norm_", "train"]
        """,
    "said to be unused": """
        from torch.nn.utils import clip_grad_norm_  # noqa: F401
        """,
    "tried": """
        try:
            from torch.nn.utils import clip_grad_norm_
        except ImportError:
            pass
        """,
    "of no purpose of its own": """
        from torch.utils.data import DataLoader, Dataset, Sampler
        """,
    "a star import that may use it": """
        from helpers import *
        from torch.nn.utils import clip_grad_norm_
        """,
}


def check(text: str) -> tuple[list[tuple[str, int]], str]:
    code = "import torch\n" + textwrap.dedent(text).strip("\n") + "\n" + TRAINING
    return [(one.code, one.location.line) for one in check_text(code, "case.py", "TRN008")], code


@pytest.mark.parametrize("text", FOUND.values(), ids=FOUND)
def test_found(text: str) -> None:
    found, code = check(text)
    assert found == expected(code)


@pytest.mark.parametrize("text", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_left_alone(text: str) -> None:
    assert check(text)[0] == []


def test_left_alone_where_nothing_is_trained() -> None:
    code = "import torch\nfrom torch.nn.utils import clip_grad_norm_\n"
    assert check_text(code, "case.py", "TRN008") == []


def test_off_by_default() -> None:
    assert check_text(FOUND["clipping"] + TRAINING + "# torch\n") == []


@pytest.mark.parametrize(("other", "hits"), [("import torch\n", 1), ("import train\n", 0)])
def test_a_file_that_others_import(tmp_path: Path, other: str, hits: int) -> None:
    (tmp_path / "train.py").write_text(FOUND["clipping"] + "\n" + TRAINING, encoding="utf-8")
    (tmp_path / "evaluate.py").write_text(other, encoding="utf-8")
    checked = check_paths([str(tmp_path)], Selection(("TRN008",)))
    assert len(checked.findings) == hits
