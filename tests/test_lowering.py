"""The model: values by flow and events in program order, through calls, objects and files."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from trainlint.lint.files import read_source
from trainlint.lint.graph import ancestors
from trainlint.lint.lower.values import Choice, Obj, Ref, Value
from trainlint.lint.model import Event, Script
from trainlint.lint.parse import parse
from trainlint.lint.project import Project
from trainlint.lint.source import Source

HEAD = """
import torch
from torch import nn, optim
import torch.nn.functional as F
model = nn.Linear(4, 2)
x, y = torch.randn(3, 4), torch.tensor([0, 1, 0])
"""


def lowered(code: str) -> Script:
    source = Source.of_bytes("case.py", (HEAD + textwrap.dedent(code)).encode())
    return Script(source, parse(source))


def only(script: Script, kind: str) -> Event:
    (event,) = script.events(kind)
    return event


def names(value: Value) -> set[str]:
    """Qualified names of what a value may be."""
    options = value.options if isinstance(value, Choice) else (value,)
    return {one.qualname for one in options if isinstance(one, Obj)}


@pytest.mark.parametrize(
    "code",
    [
        "opt = optim.SGD(model.parameters())",
        "from functools import partial\n"
        "make = partial(optim.SGD, lr=0.1)\nopt = make(model.parameters())",
        "opt = {'sgd': optim.SGD}['sgd'](model.parameters())",
        "def make():\n    return optim.SGD(model.parameters())\nopt = make()",
        "parts = {'opt': optim.SGD(model.parameters())}\nopt = parts['opt']",
        "opt, = [optim.SGD(model.parameters())]",
        "class T:\n    def __init__(self):\n"
        "        self.o = optim.SGD(model.parameters())\nopt = T().o",
        "class T:\n    @property\n    def o(self):\n        return self._o\n"
        "t = T()\nt._o = optim.SGD(model.parameters())\nopt = t.o",
    ],
)  # fmt: skip
def test_an_optimizer_is_known_by_flow(code: str) -> None:
    event = only(lowered(code + "\nopt.step()\n"), "step")
    assert names(event.receiver) == {"torch.optim.SGD"}


def test_one_of_a_table_of_optimizers() -> None:
    code = "opt = {'sgd': optim.SGD, 'adam': optim.Adam}[input()](model.parameters())\nopt.step()"
    steps = list(lowered(code).events("step"))
    assert [names(step.receiver) for step in steps] == [{"torch.optim.SGD"}, {"torch.optim.Adam"}]


def test_a_scaler_takes_the_step_of_its_optimizer() -> None:
    script = lowered(
        """
        opt = optim.SGD(model.parameters())
        scaler = torch.amp.GradScaler()
        scaler.scale(F.cross_entropy(model(x), y)).backward()
        scaler.step(opt)
        scaler.update()
        """
    )
    step = only(script, "step")
    assert names(step.receiver) == {"torch.optim.SGD"}
    assert step.scaler is not None
    assert only(script, "update").receiver is step.scaler
    backward = only(script, "backward")
    assert isinstance(backward.receiver, Obj)
    assert backward.receiver.qualname == "GradScaler.scale"
    assert only(script, "loss").result is backward.receiver.args[0]


def test_schedulers_and_modes_are_events_of_their_own() -> None:
    script = lowered(
        """
        opt = optim.SGD(model.parameters())
        scheduler = optim.lr_scheduler.StepLR(opt, 3)
        model.train()
        scheduler.step()
        model.eval()
        """
    )
    kinds = [e.kind for e in script.events("train", "eval", "schedule", "step")]
    assert kinds == ["train", "schedule", "eval"]


def test_own_methods_of_such_names_are_followed_and_no_events() -> None:
    script = lowered(
        """
        class Agent:
            def __init__(self):
                self.opt = optim.SGD(model.parameters())
            def step(self):
                self.opt.step()
            def train(self):
                self.step()
        Agent().train()
        """
    )
    step = only(script, "step")
    assert names(step.receiver) == {"torch.optim.SGD"}
    assert len(step.path) == 2
    assert not list(script.events("train"))


def test_what_forward_returns_is_known_at_its_call() -> None:
    script = lowered(
        """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 2)
            def forward(self, x):
                return F.softmax(self.fc(x), dim=1)
        net = nn.DataParallel(Net())
        loss = F.cross_entropy(net(x), y)
        """
    )
    out = only(script, "loss").args[0].value
    assert isinstance(out, Obj)
    assert isinstance(out.returned, Obj)
    assert out.returned.qualname == "torch.nn.functional.softmax"
    linear = [one for one in ancestors(out) if isinstance(one, Obj) and one.kind == "module"]
    assert "torch.nn.Linear" in {one.qualname for one in linear}


def test_several_outputs_are_told_apart() -> None:
    script = lowered(
        """
        class Net(nn.Module):
            def forward(self, x):
                return torch.sigmoid(x), x.log_softmax(1)
        a, b = Net()(x)
        F.nll_loss(b, y)
        """
    )
    out = only(script, "loss").args[0].value
    assert isinstance(out, Obj)
    assert isinstance(out.returned, Obj)
    assert out.returned.qualname == "Tensor.log_softmax"


def test_contexts_keep_what_they_were_made_with() -> None:
    script = lowered(
        """
        with torch.autocast("cuda", dtype=torch.float16), torch.no_grad():
            model(x)
        @torch.no_grad()
        def evaluate():
            model(x)
        evaluate()
        """
    )
    first, second = script.events("forward")
    autocast = first.within("torch.autocast")
    assert autocast is not None
    assert isinstance(autocast.value, Obj)
    assert first.within("torch.no_grad")
    assert second.within("torch.no_grad")
    assert not second.within("torch.autocast")


FILES = {
    "train.py": """
        import models
        from training import fit
        from utils.optim import *
        import lib.losses as losses
        net = models.Net()
        opt = make_optimizer(net)
        fit(net, opt, losses.criterion)
        """,
    "models.py": """
        from torch import nn
        class Net(nn.Module):
            def forward(self, x):
                return x
        if __name__ == "__main__":
            Net()(1).backward()
        """,
    "training.py": """
        def fit(net, opt, criterion):
            for x, y in range(3):
                loss = criterion(net(x), y)
                loss.backward()
                opt.step()
        """,
    "utils/__init__.py": "",
    "utils/optim.py": """
        import torch
        def make_optimizer(net):
            return torch.optim.SGD(net.parameters(), lr=0.1)
        """,
    "lib/losses.py": """
        import torch.nn as nn
        criterion = nn.CrossEntropyLoss()
        """,
}


def test_other_files_of_the_project_are_followed(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text))
    source = read_source(str(tmp_path / "train.py"))
    script = Script(source, parse(source), Project())
    step = only(script, "step")
    assert names(step.receiver) == {"torch.optim.SGD"}
    assert step.site.location.path == str(tmp_path / "training.py")
    assert step.site.location.line == 6
    assert [site.location.path for site in step.path] == [str(tmp_path / "train.py")]
    assert len(step.loops) == 1
    assert names(only(script, "loss").receiver) == {"torch.nn.CrossEntropyLoss"}
    assert len(list(script.events("backward"))) == 1, (
        "what is under __main__ of an import is not run"
    )


def test_packages_import_relatively_and_in_circles(tmp_path: Path) -> None:
    files = {
        "pkg/__init__.py": "from .a import build",
        "pkg/a.py": "from . import b\nfrom .b import Deep\ndef build():\n    return Deep()\n",
        "pkg/b.py": "import torch\nfrom pkg import a\nclass Deep(torch.nn.Module):\n    pass\n",
        "main.py": "import pkg\nfrom pkg.gone import nothing\nnet = pkg.build()\nnet(nothing)\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    source = read_source(str(tmp_path / "main.py"))
    script = Script(source, parse(source), Project())
    event = only(script, "forward")
    assert isinstance(event.receiver, Obj)
    assert event.receiver.cls is not None
    assert event.receiver.cls.name == "Deep"
    assert isinstance(event.args[0].value, Ref)


def test_a_loop_over_what_a_function_wrapped() -> None:
    script = lowered(
        """
        def batches():
            return enumerate(x)
        for i, b in batches():
            print(b)
        """
    )
    (loop,) = next(event for event in script.events("call") if event.loops).loops
    assert loop.index == "i"
    assert loop.over_text == ""


@pytest.mark.parametrize("heading", ["for i, b in enumerate(x)", "for i in range(3)"])
def test_the_value_that_counts_a_loop_is_known(heading: str) -> None:
    event = next(e for e in lowered(f"{heading}:\n    torch.tensor(i)\n").events("call") if e.loops)
    assert event.loops[0].counter is event.args[0].value


def test_an_index_counts_its_own_loop_whatever_it_runs_over() -> None:
    code = (
        "for e in range(3):\n    for i, b in enumerate(torch.randn(3, e)):\n        torch.tensor(i)"
    )
    event = next(event for event in lowered(code).events("call") if len(event.loops) == 2)
    assert event.args[0].value.varies == frozenset({event.loops[1]})


def test_a_name_of_several_constants_varies_with_its_loop() -> None:
    event = next(e for e in lowered("for n in ('a', 'b'):\n    torch.tensor(n)\n").events("call")
                 if e.loops)  # fmt: skip
    assert event.loops[0] in (event.args[0].value.varies or ())
