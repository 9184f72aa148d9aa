"""TRN006: attributes that are set and that nothing reads."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from marked import assert_marked, assert_project, check_text

HEAD = """
import torch
import torchvision
from torch import nn

model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(), nn.Linear(2, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
"""

FOUND = {
    "require_grad": """
        for param in model.parameters():
            param.require_grad = False  # TRN006
        """,
    "requires_grads, of something handed in": """
        def freeze(net):
            for name, p in net.named_parameters():
                if "bias" not in name:
                    p.requires_grads = False  # TRN006
        """,
    "the method's name": """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(2, 2)
                self.fc.weight.requires_grad_ = False  # TRN006
        """,
    "requires_grad of a module": """
        model.requires_grad = False  # TRN006
        """,
    "requires_grad of a layer of the script's own class": """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.embed = nn.Embedding(10, 2)
                self.fc = nn.Linear(2, 1)

            def freeze(self):
                self.embed.requires_grad = False  # TRN006
        """,
    "requires_grad of a part of torchvision's": """
        net = torchvision.models.resnet18(weights=None)
        net.layer1.requires_grad = False  # TRN006
        """,
    "requires_grad of each child": """
        for child in model.children():
            child.requires_grad = False  # TRN006
        for name, layer in model.named_children():
            layer.requires_grad = False  # TRN006
        """,
    "training of a whole model": """
        model.training = False  # TRN006
        with torch.no_grad():
            print(model(torch.zeros(1, 2)))
        """,
    "lr of an optimizer": """
        def decay(epoch):
            optimizer.lr = 0.1 * 0.5**epoch  # TRN006
        """,
    "lr of a scheduler": """
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
        scheduler.lr = 0.01  # TRN006
        """,
    "a switch of cudnn's": """
        torch.backends.cudnn.benchmarks = True  # TRN006
        torch.backends.cudnn.determinstic = True  # TRN006
        """,
    "cudnn by its alias": """
        import torch.backends.cudnn as cudnn

        cudnn.benchmak = True  # TRN006
        """,
}

LEFT_ALONE = {
    "spelt right": """
        for param in model.parameters():
            param.requires_grad = False
        model.requires_grad_(False)
        model.eval()
        for group in optimizer.param_groups:
            group["lr"] = 0.01
        torch.backends.cudnn.benchmark = True
        """,
    "the script's own attribute": """
        class Options:
            def __init__(self, require_grad=True):
                self.require_grad = require_grad

        options = Options()
        options.require_grad = False
        if options.require_grad:
            print(options)
        """,
    "a parameter's requires_grad": """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.scale = nn.Parameter(torch.ones(1))
                self.scale.requires_grad = False
                self.fc = nn.Linear(2, 2)
                self.fc.weight.requires_grad = False
        """,
    "a tensor's requires_grad": """
        x = torch.zeros(3)
        x.requires_grad = True
        """,
    "a class that has the attribute": """
        class Net(nn.Module):
            @property
            def requires_grad(self):
                return all(p.requires_grad for p in self.parameters())

            @requires_grad.setter
            def requires_grad(self, value):
                for p in self.parameters():
                    p.requires_grad = value

        net = Net()
        net.requires_grad = False
        """,
    "training of one layer": """
        for layer in model.modules():
            layer.training = False
        dropout = nn.Dropout()
        dropout.training = False
        """,
    "training where no layer has a mode": """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(2, 1)

            def forward(self, x):
                return self.fc(x) if self.training else self.fc(x).sigmoid()

        net = Net()
        net.training = False
        """,
    "training put back": """
        before = model.training
        model.eval()
        model.training = before
        """,
    "an optimizer's lr that the script reads": """
        optimizer.lr = 0.1
        print(f"lr {optimizer.lr}")
        """,
    "an optimizer of the script's own": """
        class Sign(torch.optim.Optimizer):
            def __init__(self, params, lr):
                super().__init__(params, {"lr": lr})
                self.lr = lr

            def step(self):
                for group in self.param_groups:
                    for p in group["params"]:
                        p.data.add_(p.grad.sign(), alpha=-self.lr)

        sign = Sign(model.parameters(), 0.1)
        sign.lr = 0.01
        """,
    "something unknown": """
        def configure(config, net):
            config.lr = 0.1
            config.training = True
            net.requires_grad = False
        """,
    "another module called cudnn": """
        from settings import cudnn

        cudnn.benchmarks = True
        """,
}


@pytest.mark.parametrize("body", FOUND.values(), ids=FOUND)
def test_found(body: str) -> None:
    assert_marked(_script(body))


@pytest.mark.parametrize("body", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_left_alone(body: str) -> None:
    assert "TRN" not in body
    assert_marked(_script(body))


@pytest.mark.parametrize(
    ("name", "mended"),
    [
        ("require_grad", "param.requires_grad = False"),
        ("the method's name", "self.fc.weight.requires_grad = False"),
        ("requires_grad of a module", "model.requires_grad_(False)"),
        ("training of a whole model", "model.eval()"),
        ("cudnn by its alias", "cudnn.benchmark = True"),
    ],
)
def test_fix(name: str, mended: str) -> None:
    before = _script(FOUND[name])
    (finding,) = check_text(before)
    assert finding.fix is not None
    (edit,) = finding.fix.edits
    data = before.encode()
    after = (data[: edit.start] + edit.content.encode() + data[edit.end :]).decode()
    assert mended in after
    assert check_text(after) == []


def test_no_fix_of_an_optimizer_option() -> None:
    (finding,) = check_text(_script(FOUND["lr of an optimizer"]))
    assert finding.fix is None
    assert finding.hint == (
        'set it in each group: `for g in optimizer.param_groups: g["lr"] = ...`'
    )


def test_found_in_a_project(tmp_path: Path) -> None:
    assert_project(
        tmp_path,
        {
            "freezing.py": """
                import torch

                def freeze(model):
                    model.requires_grad = False  # TRN006
                """,
            "main.py": """
                import torch
                from freezing import freeze

                freeze(torch.nn.Linear(2, 1))
                """,
        },
    )


def _script(body: str) -> str:
    return HEAD.lstrip("\n") + "\n" + textwrap.dedent(body).lstrip("\n")
