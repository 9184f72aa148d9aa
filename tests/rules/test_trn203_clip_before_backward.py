"""TRN203: clipping what backward has not made yet."""

from __future__ import annotations

import pytest
from marked import assert_marked
from training_cases import script

FOUND = {
    "flat": """
        for x in loader:
            optimizer.zero_grad()
            loss = model(x).square().mean()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # TRN203
            loss.backward()
            optimizer.step()
        """,
    "before the clearing": """
        for x in loader:
            loss = model(x).square().mean()
            nn.utils.clip_grad_value_(model.parameters(), 1.0)  # TRN203
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        """,
    "cleared at the end of the pass before": """
        for x in loader:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # TRN203
            loss = model(x).square().mean()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        """,
    "in a function, parts unknown": """
        def train(net, opt, batches, criterion, device):
            for x, y in batches:
                x, y = x.to(device), y.to(device)
                opt.zero_grad()
                loss = criterion(net(x), y)
                nn.utils.clip_grad_norm_(net.parameters(), 5)  # TRN203
                loss.backward()
                opt.step()
        """,
    "in a class": """
        class Trainer:
            def __init__(self):
                self.net = nn.Linear(4, 1)
                self.opt = torch.optim.Adam(self.net.parameters())

            def step(self, x):
                self.opt.zero_grad()
                loss = self.net(x).square().mean()
                torch.nn.utils.clip_grad_norm_(self.net.parameters(), max_norm=1.0)  # TRN203
                loss.backward()
                self.opt.step()

        trainer = Trainer()
        for x in loader:
            trainer.step(x)
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
    "what the passes before have added up": """
        for i, x in enumerate(loader):
            loss = model(x).square().mean()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            loss.backward()
            if i % 4 == 3:
                optimizer.step()
                optimizer.zero_grad()
        """,
    "step at the top": """
        model(loader[0]).square().mean().backward()
        for x in loader:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            model(x).square().mean().backward()
        """,
    "only one of two losses": """
        for x in loader:
            optimizer.zero_grad()
            model(x).square().mean().backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            model(x).abs().mean().backward()
            optimizer.step()
        """,
    "gradients are written by hand": """
        for x in loader:
            optimizer.zero_grad()
            for p in model.parameters():
                p.grad = torch.randn_like(p)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            model(x).square().mean().backward()
            optimizer.step()
        """,
    "a trainer that is not seen makes the first gradients": """
        from trainer import penalty

        for x in loader:
            optimizer.zero_grad()
            penalty(model)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            model(x).square().mean().backward()
            optimizer.step()
        """,
    "two optimizers": """
        other = nn.Linear(4, 1)
        second = torch.optim.SGD(other.parameters(), lr=0.1)
        for x in loader:
            optimizer.zero_grad()
            model(other(x.expand(8, 4)).expand(8, 4)).square().mean().backward()
            nn.utils.clip_grad_norm_(other.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            second.step()
            second.zero_grad()
        """,
}


@pytest.mark.parametrize("body", FOUND.values(), ids=FOUND)
def test_found(body: str) -> None:
    assert_marked(script(body))


@pytest.mark.parametrize("body", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_left_alone(body: str) -> None:
    assert "TRN" not in body
    assert_marked(script(body))
