"""TRN204: clipping gradients that a GradScaler has scaled."""

from __future__ import annotations

from pathlib import Path

import pytest
from marked import assert_marked, assert_project, check_text
from training_cases import SCALED, mended, script

FOUND = {
    "flat": """
        for x in loader:
            optimizer.zero_grad()
            with torch.autocast("cuda"):
                loss = model(x).square().mean()
            scaler.scale(loss).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # TRN204
            scaler.step(optimizer)
            scaler.update()
        """,
    "the norm is kept": """
        for x in loader:
            optimizer.zero_grad()
            scaler.scale(model(x).square().mean()).backward()
            norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # TRN204
            scaler.step(optimizer)
            scaler.update()
            print(norm)
        """,
    "only with mixed precision": """
        import sys

        amp = "--amp" in sys.argv
        for x in loader:
            optimizer.zero_grad()
            loss = model(x).square().mean()
            if amp:
                scaler.scale(loss).backward()
                nn.utils.clip_grad_value_(model.parameters(), 1.0)  # TRN204
                scaler.step(optimizer)
                scaler.update()
            else:
                loss.backward()
                nn.utils.clip_grad_value_(model.parameters(), 1.0)
                optimizer.step()
        """,
    "one clipping for both branches": """
        import sys

        amp = "--amp" in sys.argv
        for x in loader:
            optimizer.zero_grad()
            loss = model(x).square().mean()
            if amp:
                scaler.scale(loss).backward()
            else:
                loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # TRN204
            if amp:
                scaler.step(optimizer)
                scaler.update()
            else:
                optimizer.step()
        """,
    "a scaler or None": """
        import sys

        maybe = torch.amp.GradScaler() if "--amp" in sys.argv else None
        for x in loader:
            optimizer.zero_grad()
            loss = model(x).square().mean()
            if maybe is not None:
                maybe.scale(loss).backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # TRN204
                maybe.step(optimizer)
                maybe.update()
            else:
                loss.backward()
                optimizer.step()
        """,
    "unscaled after the clipping": """
        for x in loader:
            optimizer.zero_grad()
            scaler.scale(model(x).square().mean()).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # TRN204
            scaler.step(optimizer)
            scaler.update()
        """,
    "in a class, accumulating": """
        class Trainer:
            def __init__(self, enabled):
                self.net = nn.Linear(4, 1)
                self.opt = torch.optim.Adam(self.net.parameters())
                self.scaler = torch.cuda.amp.GradScaler(enabled=enabled)

            def fit(self):
                for i, x in enumerate(loader):
                    self.scaler.scale(self.net(x).square().mean()).backward()
                    if i % 4 == 3:
                        nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)  # TRN204
                        self.scaler.step(self.opt)
                        self.scaler.update()
                        self.opt.zero_grad()
        """,
    "an annotated scaler": """
        from torch.amp import GradScaler
        from torch.optim import Optimizer

        def update(net: nn.Module, opt: Optimizer, scaler: GradScaler, x, clip):
            opt.zero_grad()
            scaler.scale(net(x).square().mean()).backward()
            if clip:
                nn.utils.clip_grad_norm_(net.parameters(), clip)  # TRN204
            scaler.step(opt)
            scaler.update()
        """,
}

LEFT_ALONE = {
    "unscaled first": """
        for x in loader:
            optimizer.zero_grad()
            scaler.scale(model(x).square().mean()).backward()
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
        """,
    "unscaled under the same test": """
        import sys

        clip = len(sys.argv)
        for x in loader:
            optimizer.zero_grad()
            scaler.scale(model(x).square().mean()).backward()
            if clip:
                scaler.unscale_(optimizer)
            if clip:
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
        """,
    "switched off": """
        off = torch.amp.GradScaler(enabled=False)
        for x in loader:
            optimizer.zero_grad()
            off.scale(model(x).square().mean()).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            off.step(optimizer)
            off.update()
        """,
    "the limit is scaled as well": """
        for x in loader:
            optimizer.zero_grad()
            scaler.scale(model(x).square().mean()).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0 * scaler.get_scale())
            scaler.step(optimizer)
            scaler.update()
        """,
    "divided by hand": """
        for x in loader:
            optimizer.zero_grad()
            scaler.scale(model(x).square().mean()).backward()
            for p in model.parameters():
                p.grad.div_(65536.0)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
        """,
    "a helper unscales": """
        from helpers import unscale

        for x in loader:
            optimizer.zero_grad()
            scaler.scale(model(x).square().mean()).backward()
            unscale(scaler, optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
        """,
    "only measured": """
        for x in loader:
            optimizer.zero_grad()
            scaler.scale(model(x).square().mean()).backward()
            norm = nn.utils.clip_grad_norm_(model.parameters(), float("inf"))
            scaler.step(optimizer)
            scaler.update()
            print(norm)
        """,
    "a plain backward": """
        for x in loader:
            optimizer.zero_grad()
            model(x).square().mean().backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        """,
    "a scaler of someone else's": """
        from apex_like import GradScaler as Scaler

        other = Scaler()
        for x in loader:
            optimizer.zero_grad()
            other.scale(model(x).square().mean()).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            other.step(optimizer)
            other.update()
        """,
    "each branch its own": """
        import sys

        amp = "--amp" in sys.argv
        for x in loader:
            optimizer.zero_grad()
            loss = model(x).square().mean()
            if amp:
                scaler.scale(loss).backward()
                scaler.unscale_(optimizer)
            else:
                loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            if amp:
                scaler.step(optimizer)
                scaler.update()
            else:
                optimizer.step()
        """,
    "the other optimizer's gradients": """
        other = nn.Linear(4, 1)
        second = torch.optim.SGD(other.parameters(), lr=0.1)
        for x in loader:
            optimizer.zero_grad()
            second.zero_grad()
            scaler.scale((model(x) + other(x)).square().mean()).backward()
            scaler.unscale_(second)
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(other.parameters(), 1.0)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(second)
            scaler.step(optimizer)
            scaler.update()
        """,
}


@pytest.mark.parametrize("body", FOUND.values(), ids=FOUND)
def test_found(body: str) -> None:
    assert_marked(script(body, SCALED))


@pytest.mark.parametrize("body", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_left_alone(body: str) -> None:
    assert "TRN" not in body
    assert_marked(script(body, SCALED))


def test_the_helper_of_another_file(tmp_path: Path) -> None:
    helper = """
        from torch import nn

        def clip(net):
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)  # TRN204
        """
    body = """
        from helper import clip

        for x in loader:
            optimizer.zero_grad()
            scaler.scale(model(x).square().mean()).backward()
            clip(model)
            scaler.step(optimizer)
            scaler.update()
        """
    (finding,) = assert_project(tmp_path, {"helper.py": helper, "train.py": script(body, SCALED)})
    assert finding.fix is None


@pytest.mark.parametrize("name", ["flat", "the norm is kept", "only with mixed precision"])
def test_fix_unscales_first(name: str) -> None:
    code = script(FOUND[name], SCALED)
    (finding,) = check_text(code)
    assert finding.fix is not None
    assert finding.fix.safe
    assert "scaler.unscale_(optimizer)\n" in mended(code, finding)
    assert check_text(mended(code, finding)) == []


def test_no_fix_where_the_scaler_may_not_step() -> None:
    (finding,) = check_text(script(FOUND["one clipping for both branches"], SCALED))
    assert finding.fix is None
