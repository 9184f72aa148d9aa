"""TRN010: attributes of a module that nothing sets."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from marked import assert_marked, assert_project

from trainlint.lint.module_attributes import MODULE_ATTRIBUTES

HEAD = """
import torch
from torch import nn
"""

FOUND = {
    "a layer by another name": """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc_1 = nn.Linear(2, 1)

            def forward(self, x):
                return self.fc1(x)  # TRN010
        """,
    "a layer that is no more": """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(3, 3, 1)

            def forward(self, x):
                return self.relu(self.conv(x))  # TRN010
        """,
    "a parameter that was not kept": """
        class Net(nn.Module):
            def __init__(self, width, p=0.1):
                super(Net, self).__init__()
                self.fc = nn.Linear(width, 1)

            def forward(self, x):
                return torch.nn.functional.dropout(self.fc(x), self.p, self.training)  # TRN010
        """,
    "a method that is missing": """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(2, 1)
                self.init_weights()  # TRN010

            def forward(self, x):
                return self.fc(x)
        """,
    "below a base of the script's": """
        class Base(nn.Module):
            def __init__(self):
                super().__init__()
                self.encoder = nn.Linear(2, 2)

        class Net(Base):
            def __init__(self):
                super().__init__()
                self.head = nn.Linear(2, 1)

            def forward(self, x):
                return self.heads(self.encoder(x))  # TRN010
        """,
    "increased, without a first value": """
        class Net(nn.Module):
            def forward(self, x):
                self.calls += 1  # TRN010
                return x
        """,
    "in a lambda": """
        class Net(nn.Module):
            def forward(self, xs):
                return list(map(lambda x: self.fc(x), xs))  # TRN010
        """,
}

LEFT_ALONE = {
    "all that torch gives": """
        class Net(nn.Module):
            def forward(self, x):
                if self.training and not self._forward_hooks:
                    self.zero_grad()
                return x.to(next(self.parameters()).device), self._get_name(), self.__class__
        """,
    "set outside": """
        class Net(nn.Module):
            def forward(self, x):
                return x * self.scale

        net = Net()
        net.scale = 3.0
        """,
    "set in a subclass": """
        class Base(nn.Module):
            def forward(self, x):
                return self.head(self.body(x))

        class Net(Base):
            def __init__(self):
                super().__init__()
                self.body, self.head = nn.Linear(2, 2), nn.Linear(2, 1)
        """,
    "set in another method": """
        class Net(nn.Module):
            def build(self):
                self.fc = nn.Linear(2, 1)

            def forward(self, x):
                return self.fc(x)
        """,
    "registered": """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.register_buffer("mean", torch.zeros(1))
                self.register_parameter(name="bias", param=None)
                self.add_module("fc", nn.Linear(2, 1))

            def forward(self, x):
                return self.fc(x - self.mean) + self.bias
        """,
    "named as they are made": """
        class Net(nn.Module):
            def __init__(self, depth):
                super().__init__()
                for i in range(depth):
                    setattr(self, f"fc{i}", nn.Linear(2, 2))

            def forward(self, x):
                return self.fc1(self.fc0(x))
        """,
    "all at once": """
        class Net(nn.Module):
            def __init__(self, **options):
                super().__init__()
                self.__dict__.update(options)

            def forward(self, x):
                return x * self.scale
        """,
    "__getattr__": """
        class Wrapper(nn.Module):
            def __init__(self, module):
                super().__init__()
                self.module = module

            def __getattr__(self, name):
                try:
                    return super().__getattr__(name)
                except AttributeError:
                    return getattr(self.module, name)

            def forward(self, x):
                return self.fc(x)
        """,
    "asked for first": """
        class Net(nn.Module):
            def forward(self, x):
                if not hasattr(self, "cache"):
                    return x
                return self.cache
        """,
    "tried": """
        class Net(nn.Module):
            def forward(self, x):
                try:
                    return self.cache + x
                except AttributeError:
                    return x
        """,
    "a base that is not known": """
        from models import Base

        class Net(Base):
            def forward(self, x):
                return self.fc(x)
        """,
    "a base of torch's with more of its own": """
        class Net(nn.Linear):
            def forward(self, x):
                return nn.functional.linear(x, self.weight, self.bias)
        """,
    "of the class": """
        class Net(nn.Module):
            width = 3
            depth: int

            if torch.cuda.is_available():
                def place(self):
                    return "cuda"
            else:
                def place(self):
                    return "cpu"

            @property
            def area(self):
                return self.width * self.depth

            def forward(self, x):
                return x * self.area, self.place()
        """,
    "another class's self": """
        class Net(nn.Module):
            def forward(self, x):
                class Holder:
                    def show(self):
                        return self.other

                def scale(self, value):
                    return self.factor * value

                return x, Holder, scale
        """,
    "a decorator that may add it": """
        from registry import configurable

        @configurable
        class Net(nn.Module):
            def forward(self, x):
                return x * self.scale
        """,
    "a class method's own": """
        class Net(nn.Module):
            @classmethod
            def build(cls, other):
                return cls(other.width)

            @staticmethod
            def scale(self):
                return self.factor
        """,
}


@pytest.mark.parametrize("body", FOUND.values(), ids=FOUND)
def test_found(body: str) -> None:
    assert_marked(_script(body))


@pytest.mark.parametrize("body", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_left_alone(body: str) -> None:
    assert "TRN" not in body
    assert_marked(_script(body))


def test_hint_names_what_is_near() -> None:
    (finding,) = assert_marked(_script(FOUND["a layer by another name"]))
    assert finding.hint == "did you mean `self.fc_1`?"


BASE = """
    import torch
    from torch import nn

    class Base(nn.Module):
        def forward(self, x):
            return self.head(x){marker}
    """


def test_a_base_whose_subclass_stands_in_another_file(tmp_path: Path) -> None:
    other = """
        from torch import nn
        from base import Base

        class Net(Base):
            def __init__(self):
                super().__init__()
                self.head = nn.Linear(2, 1)
        """
    assert_project(tmp_path, {"base.py": BASE.format(marker=""), "net.py": other})


def test_another_file_sets_it(tmp_path: Path) -> None:
    other = """
        import torch
        import base

        net = base.Base()
        net.head = torch.nn.Linear(2, 1)
        """
    assert_project(tmp_path, {"base.py": BASE.format(marker=""), "net.py": other})


def test_another_folder_of_the_project_sets_it(tmp_path: Path) -> None:
    other = """
        import torch

        def prepare(module, head):
            module.head = head
        """
    files = {"src/models/base.py": BASE.format(marker=""), "src/prepare.py": other}
    (tmp_path / "src" / "models").mkdir(parents=True)
    (tmp_path / "src" / "models" / "README.md").touch()
    (tmp_path / "pyproject.toml").touch()
    assert_project(tmp_path, files)


def test_found_where_other_classes_set_their_own(tmp_path: Path) -> None:
    other = """
        from torch import nn

        class Other(nn.Module):
            def __init__(self):
                super().__init__()
                self.head = nn.Linear(2, 1)
        """
    assert_project(tmp_path, {"base.py": BASE.format(marker="  # TRN010"), "net.py": other})


def test_found_where_no_file_sets_it(tmp_path: Path) -> None:
    other = """
        import torch
        import base

        net = base.Base()
        print(net(torch.zeros(1)))
        """
    assert_project(tmp_path, {"base.py": BASE.format(marker="  # TRN010"), "net.py": other})


def test_the_names_are_torchs() -> None:
    torch = pytest.importorskip("torch")
    module = torch.nn.Module()
    assert set(dir(module)) <= MODULE_ATTRIBUTES
    assert set(vars(module)) <= MODULE_ATTRIBUTES


def _script(body: str) -> str:
    return HEAD.lstrip("\n") + "\n" + textwrap.dedent(body).lstrip("\n")
