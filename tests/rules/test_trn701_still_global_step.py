"""TRN701: a global step that stands still."""

from __future__ import annotations

import textwrap

import pytest
from marked import assert_marked, check_text

HEAD = """
import torch
from torch.utils.tensorboard import SummaryWriter

writer = SummaryWriter()
loader = torch.randn(20, 8, 4)
"""

FOUND = {
    "enumerate": """
        for epoch in range(3):
            for i, x in enumerate(loader):
                writer.add_scalar("loss", x.mean(), epoch * len(loader))  # TRN701
        """,
    "the epoch": """
        for epoch in range(3):
            for x in loader:
                writer.add_scalar("loss", x.mean(), epoch)  # TRN701
        """,
    "by keyword": """
        for epoch in range(3):
            for x in loader:
                writer.add_scalar("loss", x.mean(), global_step=epoch)  # TRN701
        """,
    "a constant": """
        for x in loader:
            writer.add_scalar("loss", x.mean(), 0)  # TRN701
        """,
    "a counter that counts epochs": """
        step = 0
        for epoch in range(3):
            for x in loader:
                writer.add_scalar("loss", x.mean(), step)  # TRN701
            step += 1
        """,
    "a counter that is never moved": """
        step = 0
        for x in loader:
            writer.add_scalar("loss", x.mean(), step)  # TRN701
        """,
    "in a function, the epoch as its parameter": """
        def train(epoch, batches):
            for x in batches:
                writer.add_scalar("loss", x.mean(), epoch)  # TRN701

        for epoch in range(3):
            train(epoch, loader)
        """,
    "in a method, the writer as an attribute": """
        class Trainer:
            def __init__(self):
                self.writer = SummaryWriter()

            def fit(self, batches):
                for epoch in range(3):
                    self.train(batches, epoch)

            def train(self, batches, epoch):
                for x in batches:
                    self.writer.add_scalar("loss", x.mean(), epoch)  # TRN701

        Trainer().fit(loader)
        """,
    "from main through train": """
        def train(model, log, epoch, batches):
            total = len(batches)
            for i, x in enumerate(batches):
                log.add_scalar("loss", x.mean(), epoch * total)  # TRN701

        def main():
            log = SummaryWriter("runs/a")
            for epoch in range(3):
                train(None, log, epoch, loader)

        main()
        """,
    "every tenth batch": """
        for epoch in range(3):
            for i, x in enumerate(loader):
                if i % 10 == 0:
                    writer.add_scalar("loss", x.mean(), epoch)  # TRN701
        """,
    "a while loop": """
        epoch = 0
        while epoch < 3:
            for x in loader:
                writer.add_scalar("loss", x.mean(), epoch)  # TRN701
            epoch += 1
        """,
    "an aliased import": """
        from torch.utils import tensorboard as tb

        log = tb.SummaryWriter()
        for epoch in range(3):
            for x in loader:
                log.add_scalar("loss", x.mean(), epoch)  # TRN701
        """,
    "a progress bar around the loader": """
        from tqdm import tqdm

        for epoch in range(3):
            for i, x in enumerate(tqdm(loader)):
                writer.add_scalar("loss", x.mean(), epoch * len(loader))  # TRN701
        """,
}

LEFT_ALONE = {
    "the batch counts": """
        for epoch in range(3):
            for i, x in enumerate(loader):
                writer.add_scalar("loss", x.mean(), epoch * len(loader) + i)
        """,
    "a counter that counts batches": """
        step = 0
        for epoch in range(3):
            for x in loader:
                writer.add_scalar("loss", x.mean(), step)
                step += 1
        """,
    "a counter that a method moves": """
        class Trainer:
            def __init__(self):
                self.step = 0

            def fit(self, batches):
                for epoch in range(3):
                    for x in batches:
                        self.update(x)
                        writer.add_scalar("loss", x.mean(), self.step)

            def update(self, x):
                self.step += 1

        Trainer().fit(loader)
        """,
    "a global counter": """
        step = 0

        def update():
            global step
            step += 1

        for x in loader:
            update()
            writer.add_scalar("loss", x.mean(), step)
        """,
    "once an epoch": """
        for epoch in range(3):
            for x in loader:
                pass
            writer.add_scalar("loss", x.mean(), epoch)
        """,
    "another tag each time": """
        for epoch in range(3):
            for name, value in {"a": 1.0, "b": 2.0}.items():
                writer.add_scalar(f"metric/{name}", value, epoch)
        """,
    "one group's tag each time": """
        optimizer = torch.optim.SGD([loader.requires_grad_()], lr=0.1)
        for epoch in range(3):
            for index, group in enumerate(optimizer.param_groups):
                writer.add_scalar("lr/" + str(index), group["lr"], epoch)
        """,
    "on the last batch only": """
        for epoch in range(3):
            for i, x in enumerate(loader):
                if i == len(loader) - 1:
                    writer.add_scalar("loss", x.mean(), epoch)
        """,
    "before a break": """
        for epoch in range(3):
            for x in loader:
                if x.mean() > 0:
                    writer.add_scalar("first", x.mean(), epoch)
                    break
        """,
    "the first batch only": """
        for epoch in range(3):
            for i, x in enumerate(loader):
                if i == 0:
                    writer.add_scalar("loss", x.mean(), epoch)
        """,
    "None": """
        for x in loader:
            writer.add_scalar("loss", x.mean(), None)
        """,
    "the step comes from code unseen": """
        from counting import Counter

        counter = Counter()
        for x in loader:
            writer.add_scalar("loss", x.mean(), counter.value)
        """,
    "another writer": """
        from mylogging import SummaryWriter as Log

        log = Log()
        for epoch in range(3):
            for x in loader:
                log.add_scalar("loss", x.mean(), epoch)
        """,
    "a writer for each iteration": """
        for run in range(3):
            log = SummaryWriter(f"runs/{run}")
            log.add_scalar("final", 1.0, 0)
        """,
    "the step is made from the batch": """
        for epoch in range(3):
            for x in loader:
                writer.add_scalar("loss", x.mean(), int(x.sum()))
        """,
    "a loop that ends after its first pass": """
        for epoch in range(3):
            for x in loader:
                writer.add_scalar("loss", x.mean(), epoch)
                break
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
    ("name", "step"),
    [
        ("enumerate", "epoch * len(loader) + i"),
        ("from main through train", "epoch * total + i"),
        ("a progress bar around the loader", "epoch * len(loader) + i"),
    ],
)
def test_fix_adds_the_index(name: str, step: str) -> None:
    before = _script(FOUND[name])
    (finding,) = check_text(before)
    assert finding.hint == f"use `{step}`"
    assert finding.fix is not None
    (edit,) = finding.fix.edits
    data = before.encode()
    mended = (data[: edit.start] + edit.content.encode() + data[edit.end :]).decode()
    assert f"{step})" in mended
    assert check_text(mended) == []


def test_no_fix_where_the_index_alone_would_be_wrong() -> None:
    (finding,) = check_text(_script(FOUND["the epoch"]))
    assert finding.fix is None


def test_the_loop_is_named() -> None:
    (finding,) = check_text(_script(FOUND["enumerate"]))
    assert "`epoch * len(loader)` stands still in the loop over `loader`" in finding.message
    assert [place.location.line for place in finding.related] == [8]


def _script(body: str) -> str:
    return HEAD.lstrip("\n") + "\n" + textwrap.dedent(body).lstrip("\n")
