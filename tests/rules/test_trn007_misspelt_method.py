"""TRN007: methods whose names torch or Python would look for, misspelt."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from marked import assert_marked, assert_project, check_text

HEAD = """
import torch
from torch import nn
from torch.utils.data import Dataset
"""

FOUND = {
    "foward": """
        class Net(nn.Module):
            def foward(self, x):  # TRN007
                return x
        """,
    "forwrad, below a base of the script's": """
        class Base(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(2, 1)

        class Net(Base):
            def forwrad(self, x):  # TRN007
                return self.fc(x)
        """,
    "Forward": """
        class Net(torch.nn.modules.module.Module):
            def Forward(self, x):  # TRN007
                return x
        """,
    "__int__": """
        class Net(nn.Module):
            def __int__(self, width):  # TRN007
                super().__init__()
                self.fc = nn.Linear(width, 1)

            def forward(self, x):
                return self.fc(x)
        """,
    "_init_ without arguments": """
        class Net(nn.Module):
            def _init_(self):  # TRN007
                super(Net, self).__init__()
                self.fc = nn.Linear(2, 1)

            def forward(self, x):
                return self.fc(x)
        """,
    "a dataset's length and items": """
        class Lines(Dataset):
            def __init__(self, lines):
                self.lines = lines

            def __length__(self):  # TRN007
                return len(self.lines)

            def __get_item__(self, index):  # TRN007
                return self.lines[index]
        """,
    "in a function": """
        def build():
            class Net(nn.Module):
                def farward(self, x):  # TRN007
                    return x

            return Net()
        """,
}

LEFT_ALONE = {
    "spelt right": """
        class Net(nn.Module):
            def forward(self, x):
                return x
        """,
    "both are there": """
        class Net(nn.Module):
            def forward(self, x):
                return x

            def foward(self, x):
                return self.forward(x)
        """,
    "called by its name": """
        class Net(nn.Module):
            def foward(self, x):
                return x

        net = Net()
        print(net.foward(torch.zeros(1)))
        """,
    "called by its name as a string": """
        class Net(nn.Module):
            def foward(self, x):
                return x

        print(getattr(Net(), "foward")(torch.zeros(1)))
        """,
    "called from the base": """
        class Base(nn.Module):
            def forward(self, x):
                return self.forwards(x)

        class Net(Base):
            def forwards(self, x):
                return x
        """,
    "names that only resemble it": """
        class Net(nn.Module):
            def _forward(self, x):
                return x

            def forward_(self, x):
                return x

            def forward1(self, x):
                return x

            def forwards(self, xs):
                return xs

            def reward(self, x):
                return x
        """,
    "a base that is not known": """
        from models import Base

        class Net(Base):
            def foward(self, x):
                return x
        """,
    "another framework's class": """
        import lightning as L

        class Net(L.LightningModule):
            def foward(self, x):
                return x
        """,
    "a class that is no module": """
        class Robot:
            def foward(self, x):
                return torch.tensor(x)

            def __int__(self):
                return 3
        """,
    "a conversion to an integer": """
        class Counter(nn.Module):
            def __init__(self):
                super().__init__()
                self.register_buffer("count", torch.zeros(1))

            def __int__(self):
                return int(self.count)

            def forward(self, x):
                return x
        """,
    "a module that is called otherwise": """
        class Net(nn.Module):
            def __call__(self, x):
                return x

            def foward(self, x):
                return x
        """,
    "a dataset that fetches batches": """
        class Lines(Dataset):
            def __getitem__(self, index):
                return index

            def __getitems__(self, indices):
                return indices

            def __len__(self):
                return 3
        """,
    "a property": """
        class Net(nn.Module):
            @property
            def forwad(self):
                return torch.zeros(1)
        """,
}


@pytest.mark.parametrize("body", FOUND.values(), ids=FOUND)
def test_found(body: str) -> None:
    assert_marked(_script(body))


@pytest.mark.parametrize("body", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_left_alone(body: str) -> None:
    assert "TRN" not in body
    assert_marked(_script(body))


@pytest.mark.parametrize(("name", "right"), [("foward", "forward"), ("__int__", "__init__")])
def test_fix_renames(name: str, right: str) -> None:
    before = _script(FOUND[name])
    (finding,) = check_text(before)
    assert finding.fix is not None
    (edit,) = finding.fix.edits
    data = before.encode()
    mended = (data[: edit.start] + edit.content.encode() + data[edit.end :]).decode()
    assert f"def {right}(self" in mended
    assert check_text(mended) == []


def test_found_in_a_project(tmp_path: Path) -> None:
    assert_project(
        tmp_path,
        {
            "base.py": """
                import torch
                from torch import nn

                class Base(nn.Module):
                    def __init__(self):
                        super().__init__()
                        self.fc = nn.Linear(2, 1)
                """,
            "model.py": """
                import torch
                from base import Base

                class Net(Base):
                    def foward(self, x):  # TRN007
                        return self.fc(x)
                """,
        },
    )


def _script(body: str) -> str:
    return HEAD.lstrip("\n") + "\n" + textwrap.dedent(body).lstrip("\n")
