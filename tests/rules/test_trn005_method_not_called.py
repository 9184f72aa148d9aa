"""TRN005: methods and contexts that are named and not called."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from marked import assert_marked, assert_project, check_text

HEAD = """
import torch
from torch import nn

model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(4, 2)
"""

FOUND = {
    "step": """
        model(x).mean().backward()
        optimizer.step  # TRN005
        """,
    "zero_grad of whatever": """
        def train(net, opt):
            for _ in range(3):
                opt.zero_grad  # TRN005
                net(x).mean().backward()
                opt.step()
        """,
    "backward": """
        loss = model(x).mean()
        loss.backward  # TRN005
        """,
    "backward of an expression": """
        model(x).mean().backward  # TRN005
        """,
    "eval": """
        model.eval  # TRN005
        with torch.no_grad():
            print(model(x))
        """,
    "train of the script's own class, in a method": """
        class Trainer:
            def __init__(self):
                self.model = nn.Sequential(nn.Linear(2, 1), nn.Dropout())

            def fit(self):
                self.model.train  # TRN005
                return self.model(x)

        Trainer().fit()
        """,
    "a scheduler's step": """
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
        for epoch in range(3):
            optimizer.zero_grad()
            model(x).mean().backward()
            optimizer.step()
            scheduler.step  # TRN005
        """,
    "a writer's close": """
        from torch.utils.tensorboard import SummaryWriter

        writer = SummaryWriter()
        writer.close  # TRN005
        """,
    "no_grad": """
        with torch.no_grad:  # TRN005
            print(model(x))
        """,
    "inference_mode, imported by name": """
        from torch import inference_mode

        def validate():
            with inference_mode:  # TRN005
                return model(x)
        """,
    "autocast": """
        with torch.autocast:  # TRN005
            print(model(x))
        """,
}

LEFT_ALONE = {
    "called": """
        optimizer.zero_grad()
        model(x).mean().backward()
        optimizer.step()
        model.eval()
        """,
    "handed on": """
        step = optimizer.step
        hooks = [optimizer.zero_grad, model.eval]
        for hook in hooks:
            hook()
        step()
        """,
    "a probe": """
        try:
            x.backward
        except AttributeError:
            print("no tensor")
        """,
    "a property": """
        class Counter:
            @property
            def step(self):
                print("step")

            @property
            def zero_grad(self):
                print("zero")

        counter = Counter()
        counter.step
        counter.zero_grad
        """,
    "attributes that are shown": """
        x.shape
        model.weight
        model.training
        """,
    "a step, a mode and a close of something unknown": """
        def play(env, options, stream):
            env.step
            options.train
            options.eval
            stream.close
        """,
    "no_grad as a decorator": """
        @torch.no_grad
        def validate():
            return model(x)
        """,
    "a context that is made first": """
        quiet = torch.no_grad()
        with quiet:
            print(model(x))
        """,
    "a context by choice": """
        from contextlib import nullcontext

        context = torch.no_grad if x.mean() > 0 else nullcontext
        with context():
            print(model(x))
        """,
    "a lambda": """
        later = lambda: optimizer.step
        later()()
        """,
}


@pytest.mark.parametrize("body", FOUND.values(), ids=FOUND)
def test_found(body: str) -> None:
    assert_marked(_script(body))


@pytest.mark.parametrize("body", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_left_alone(body: str) -> None:
    assert "TRN" not in body
    assert_marked(_script(body))


@pytest.mark.parametrize("name", [name for name in FOUND if name != "autocast"])
def test_fix_adds_the_call(name: str) -> None:
    before = _script(FOUND[name])
    (finding,) = check_text(before)
    assert finding.fix is not None
    assert finding.fix.safe
    (edit,) = finding.fix.edits
    data = before.encode()
    mended = (data[: edit.start] + edit.content.encode() + data[edit.end :]).decode()
    assert check_text(mended) == []


def test_no_fix_where_the_call_needs_arguments() -> None:
    (finding,) = check_text(_script(FOUND["autocast"]))
    assert finding.fix is None


def test_found_in_a_project(tmp_path: Path) -> None:
    assert_project(
        tmp_path,
        {
            "engine.py": """
                import torch

                def train(model, loader, optimizer):
                    for x in loader:
                        optimizer.zero_grad  # TRN005
                        model(x).mean().backward()
                        optimizer.step()
                """,
            "main.py": """
                import torch
                from engine import train

                model = torch.nn.Linear(2, 1)
                train(model, [torch.zeros(1, 2)], torch.optim.SGD(model.parameters(), lr=0.1))
                """,
        },
    )


def _script(body: str) -> str:
    return HEAD.lstrip("\n") + "\n" + textwrap.dedent(body).lstrip("\n")
