"""TRN202: clipping what the step has used already."""

from __future__ import annotations

import pytest
from marked import assert_marked
from training_cases import script

FOUND = {
    "flat": """
        for x in loader:
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            optimizer.step()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # TRN202
        """,
    "after the clearing": """
        for x in loader:
            loss = model(x).square().mean()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # TRN202
        """,
    "by value, before the clearing": """
        for x in loader:
            loss = model(x).square().mean()
            loss.backward()
            optimizer.step()
            torch.nn.utils.clip_grad_value_(model.parameters(), 0.5)  # TRN202
            optimizer.zero_grad()
        """,
    "in functions": """
        from torch.nn.utils import clip_grad_norm_

        def update(net, opt, x):
            opt.zero_grad()
            loss = net(x).square().mean()
            loss.backward()
            opt.step()
            clip_grad_norm_(net.parameters(), 1.0)  # TRN202

        def main():
            for epoch in range(3):
                for x in loader:
                    update(model, optimizer, x)

        main()
        """,
    "in a class": """
        class Trainer:
            def __init__(self):
                self.net = nn.Linear(4, 1)
                self.opt = torch.optim.Adam(self.net.parameters())

            def fit(self):
                for x in loader:
                    self.net.zero_grad()
                    self.net(x).square().mean().backward()
                    self.opt.step()
                    nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)  # TRN202

        Trainer().fit()
        """,
    "what the function is handed": """
        def train(net, opt, batches, clip):
            for x in batches:
                opt.zero_grad()
                loss = net(x).square().mean()
                loss.backward()
                opt.step()
                nn.utils.clip_grad_norm_(net.parameters(), clip)  # TRN202
        """,
    "with a scheduler in between": """
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 10)
        for x in loader:
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
            scheduler.step()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # TRN202
        """,
}

LEFT_ALONE = {
    "in its place": """
        for x in loader:
            optimizer.zero_grad()
            model(x).square().mean().backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        """,
    "cleared only every other pass": """
        for i, x in enumerate(loader):
            model(x).square().mean().backward()
            if i % 2:
                optimizer.step()
                optimizer.zero_grad()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        """,
    "only the norm is wanted": """
        for x in loader:
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
            norm = nn.utils.clip_grad_norm_(model.parameters(), float("inf"))
            print(norm)
        """,
    "two models that step one after the other": """
        other = nn.Linear(4, 1)
        second = torch.optim.SGD(other.parameters(), lr=0.1)
        for x in loader:
            optimizer.zero_grad()
            second.zero_grad()
            (model(x) + other(x)).square().mean().backward()
            optimizer.step()
            nn.utils.clip_grad_norm_(other.parameters(), 1.0)
            second.step()
        """,
    "two backwards": """
        for x in loader:
            optimizer.zero_grad()
            model(x).square().mean().backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            model(x).abs().mean().backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        """,
    "one branch steps, the other clips": """
        for i, x in enumerate(loader):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            if i < 10:
                optimizer.step()
            else:
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
        """,
    "code unseen trains in between": """
        from trainer import extra

        for x in loader:
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
            extra(model)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        """,
    "weights that are not these": """
        inputs = torch.zeros(4, requires_grad=True)
        for x in loader:
            optimizer.zero_grad()
            model(x * inputs).square().mean().backward()
            optimizer.step()
            nn.utils.clip_grad_norm_([inputs], 1.0)
            with torch.no_grad():
                inputs -= 0.1 * inputs.grad
                inputs.grad = None
        """,
}


@pytest.mark.parametrize("body", FOUND.values(), ids=FOUND)
def test_found(body: str) -> None:
    assert_marked(script(body))


@pytest.mark.parametrize("body", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_left_alone(body: str) -> None:
    assert "TRN" not in body
    assert_marked(script(body))
