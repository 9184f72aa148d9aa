"""The fixes of the rules on gradient scalers, clipping and speed."""

from __future__ import annotations

import textwrap

import pytest
from marked import check_text
from training_cases import SCALED, mended, script


def test_trn209_updates_after_the_step() -> None:
    body = """
        def train():
            for x in loader:
                optimizer.zero_grad()
                scaler.scale(model(x).square().mean()).backward()
                scaler.step(optimizer)

        train()
        """
    code = script(body, SCALED)
    (finding,) = check_text(code)
    after = mended(code, finding)
    assert "        scaler.step(optimizer)\n        scaler.update()\n" in after
    assert check_text(after) == []


def test_trn211_scales_the_loss() -> None:
    body = """
        for x in loader:
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            scaler.step(optimizer)
            scaler.update()
        """
    code = script(body, SCALED)
    (finding,) = check_text(code)
    assert finding.fix is not None
    assert finding.fix.safe
    after = mended(code, finding)
    assert "scaler.scale(loss).backward()" in after
    assert check_text(after) == []


def test_trn219_hands_over_the_parameters() -> None:
    body = """
        for x in loader:
            optimizer.zero_grad()
            model(x).square().mean().backward()
            nn.utils.clip_grad_norm_(model, 1.0)
            optimizer.step()
        """
    code = script(body)
    (finding,) = check_text(code)
    after = mended(code, finding)
    assert "clip_grad_norm_(model.parameters(), 1.0)" in after
    assert check_text(after) == []


def test_trn907_sets_benchmark_to_false() -> None:
    code = """\
import torch

torch.backends.cudnn.deterministic = True
torch.backends.cudnn.benchmark = True
"""
    (finding,) = check_text(code)
    after = mended(code, finding)
    assert "torch.backends.cudnn.benchmark = False\n" in after
    assert check_text(after) == []


@pytest.mark.parametrize(
    ("before", "after", "safe"),
    [
        ("torch.zeros(3, 4).cuda()", 'torch.zeros(3, 4, device="cuda")', True),
        ("torch.full((2,), 1.0,).to('cuda:1')", "torch.full((2,), 1.0, device='cuda:1')", True),
        ("torch.randn(3).to('cuda')", "torch.randn(3, device='cuda')", False),
    ],
)
def test_trn916_makes_the_tensor_where_it_is_needed(before: str, after: str, safe: bool) -> None:
    code = f"import torch\n\nx = {before}\n"
    (finding,) = check_text(code, "case.py", "TRN916")
    assert finding.fix is not None
    assert finding.fix.safe is safe
    assert mended(code, finding) == f"import torch\n\nx = {after}\n"


@pytest.mark.parametrize(
    "body",
    [
        "loss.backward()\nmake().step(optimizer)\nmake().update()\n",
        "make().scale(loss).backward()\nmake().step(optimizer)\n",
        "make().scale(loss).backward()\nnn.utils.clip_grad_norm_(model.parameters(), 1.0)\n"
        "make().step(optimizer)\nmake().update()\n",
        "loss.backward()\ntorch.optim.SGD(model.parameters(), lr=0.1).step()\n",
        "# Gradients are clipped to a norm of 1.\noptimizer.zero_grad()\nloss.backward()\n"
        "torch.optim.SGD(model.parameters(), lr=0.1).step()\n",
    ],
)
def test_what_is_made_anew_is_not_written_once_more(body: str) -> None:
    loop = textwrap.indent(f"loss = model(x).square().mean()\n{body}", "    ")
    code = script(f"for x in loader:\n{loop}").replace("make()", "torch.amp.GradScaler()")
    for finding in check_text(code):
        added = [edit.content for edit in finding.fix.edits] if finding.fix is not None else []
        assert not [text for text in added if "GradScaler" in text or "SGD" in text]
