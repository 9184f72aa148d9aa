"""TRN201: clipping that is only written about."""

from __future__ import annotations

import pytest
from marked import assert_marked, check_text

LOOP = """
import torch
from torch import nn

model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(10):
    optimizer.zero_grad()
    loss = model(torch.randn(8, 4)).square().mean()
    loss.backward()
    {line}
    optimizer.step()
"""

CLAIMS = {
    "clip": "# clip gradients to unit norm  # TRN201",
    "clipping": "# Gradient clipping, against exploding gradients.  # TRN201",
    "clipped": "# the gradients are clipped to a norm of 1  # TRN201",
    "by norm": "# clip the norm of the gradients  # TRN201",
    "the function's name": "# clip_grad_norm_ keeps the update small  # TRN201",
    "by value": "# clips gradient values at 0.5  # TRN201",
    "grad clip": "# grad clip  # TRN201",
    "Chinese": "# 梯度裁剪，防止梯度爆炸  # TRN201",
    "Chinese, the other order": "# 裁剪梯度  # TRN201",
    "Chinese, other words": "# 对梯度进行截断  # TRN201",
}

ELSEWHERE = {
    "a module's docstring": '''
        """Training with Adam. Gradients are clipped to a global norm of 1.0."""  # TRN201
        import torch
        from torch import nn

        model = nn.Linear(4, 1)
        optimizer = torch.optim.Adam(model.parameters())
        for x in torch.randn(10, 8, 4):
            optimizer.zero_grad()
            model(x).mean().backward()
            optimizer.step()
        ''',
    "a function's docstring": '''
        import torch

        def train_step(model, optimizer, x):
            """One step: forward, backward, gradient clipping, update."""  # TRN201
            optimizer.zero_grad()
            loss = model(x).mean()
            loss.backward()
            optimizer.step()
            return loss.item()

        def main():
            model = torch.nn.Linear(4, 1)
            optimizer = torch.optim.AdamW(model.parameters())
            for x in torch.randn(10, 8, 4):
                train_step(model, optimizer, x)

        main()
        ''',
    "a method": """
        import torch
        from torch import nn, optim

        class Trainer:
            def __init__(self, model):
                self.model = model
                self.optimizer = optim.Adam(self.model.parameters(), lr=1e-3)

            def fit(self, batches):
                for x in batches:
                    self.optimizer.zero_grad()
                    self.model(x).mean().backward()
                    # clip gradients  # TRN201
                    self.optimizer.step()

        Trainer(nn.Linear(4, 1)).fit(torch.randn(10, 8, 4))
        """,
    "an option that is never read": """
        import argparse
        import torch

        parser = argparse.ArgumentParser()
        parser.add_argument("--lr", type=float, default=0.1)
        parser.add_argument("--clip-grad", type=float, default=1.0)  # TRN201
        args = parser.parse_args()
        model = torch.nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)
        for x in torch.randn(10, 8, 4):
            optimizer.zero_grad()
            model(x).mean().backward()
            optimizer.step()
        """,
    "an option's help": """
        import argparse
        import torch

        parser = argparse.ArgumentParser()
        parser.add_argument("--bound", type=float, help="gradient clipping norm")  # TRN201
        args = parser.parse_args()
        model = torch.nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x in torch.randn(10, 8, 4):
            optimizer.zero_grad()
            model(x).mean().backward()
            optimizer.step()
        """,
    "backward and step in functions of their own": """
        import torch

        model = torch.nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        def learn(loss):
            optimizer.zero_grad()
            loss.backward()

        def update():
            # gradients are clipped here  # TRN201
            optimizer.step()

        for x in torch.randn(10, 8, 4):
            learn(model(x).mean())
            update()
        """,
    "with a GradScaler": """
        import torch

        model = torch.nn.Linear(4, 1).cuda()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scaler = torch.cuda.amp.GradScaler()
        for x in torch.randn(10, 8, 4):
            optimizer.zero_grad()
            with torch.cuda.amp.autocast():
                loss = model(x.cuda()).mean()
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            # clip gradients in fp32  # TRN201
            scaler.step(optimizer)
            scaler.update()
        """,
}

CLIPPED = {
    "by norm": "nn.utils.clip_grad_norm_(model.parameters(), 1.0)",
    "by value": "nn.utils.clip_grad_value_(model.parameters(), 0.5)",
    "by the full name": "torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)",
    "by hand": "[p.grad.clamp_(-1, 1) for p in model.parameters()]",
    "by a function of its own": "clip_gradients(model)",
    "by a method": "model.clip_grad_norm_(1.0)",
    "by an assignment": "model.weight.grad = model.weight.grad.clamp(-1, 1)",
    "by a hook": "model.weight.register_hook(lambda grad: grad.clamp(-1, 1))",
    "through data": "model.weight.grad.data.clamp_(-1, 1)",
    "by code unseen": "helpers.before_step(optimizer)",
}

NO_CLAIMS = {
    "a plan": "# TODO: clip gradients",
    "a negation": "# no gradient clipping here",
    "a Chinese negation": "# 这里不进行梯度裁剪",
    "a possibility": "# gradient clipping might help here",
    "a question": "# do we need gradient clipping?",
    "a disabled line": "# nn.utils.clip_grad_norm_(model.parameters(), 1.0)",
    "a paper's way": "# the paper uses gradient clipping",
    "advice": "# you should clip gradients for RNNs",
    "a condition": "# clip gradients if they explode",
    "weights": "# WGAN: weight clipping instead of gradient clipping",
    "another kind of clip": "# clip the output to the valid range",
    "a video": "# each clip has 16 frames; gradients flow through all of them",
    "PPO": "# clipped surrogate objective: the policy gradient is bounded",
    "over two lines": "# without\n    # gradient clipping",
}


@pytest.mark.parametrize("line", CLAIMS.values(), ids=CLAIMS)
def test_found_in_a_comment(line: str) -> None:
    assert_marked(LOOP.format(line=line))


@pytest.mark.parametrize("code", ELSEWHERE.values(), ids=ELSEWHERE)
def test_found_elsewhere(code: str) -> None:
    assert_marked(code)


@pytest.mark.parametrize("line", CLIPPED.values(), ids=CLIPPED)
def test_what_clips_is_left_alone(line: str) -> None:
    code = LOOP.replace("from torch import nn", "from torch import nn\nimport helpers\n"
                        "from helpers import clip_gradients")  # fmt: skip
    assert_marked(code.format(line=f"# clip gradients\n    {line}"))


@pytest.mark.parametrize("line", NO_CLAIMS.values(), ids=NO_CLAIMS)
def test_what_claims_nothing_is_left_alone(line: str) -> None:
    assert_marked(LOOP.format(line=line))


def test_an_option_that_is_read_is_left_alone() -> None:
    assert_marked(
        """
        import argparse
        import torch
        from training import fit

        parser = argparse.ArgumentParser()
        parser.add_argument("--clip-grad", type=float, default=1.0)
        args = parser.parse_args()
        fit(torch.nn.Linear(4, 1), clip=args.clip_grad)
        """
    )


def test_a_trainer_that_clips_is_left_alone() -> None:
    assert_marked(
        """
        # Gradients are clipped to 1.0.
        import torch
        import pytorch_lightning as pl

        class Model(pl.LightningModule):
            def training_step(self, batch, _):
                return batch.mean()

            def configure_optimizers(self):
                return torch.optim.SGD(self.parameters(), lr=0.1)

        pl.Trainer(gradient_clip_val=1.0).fit(Model())
        """
    )


def test_a_claim_about_another_function_is_left_alone() -> None:
    assert_marked(
        '''
        import torch
        from elsewhere import rnn_step

        def train_rnn(model, batches):
            """Gradient clipping, then an update."""
            for x in batches:
                rnn_step(model, x)

        model = torch.nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x in torch.randn(10, 8, 4):
            optimizer.zero_grad()
            model(x).mean().backward()
            optimizer.step()
        '''
    )


def test_related_places_and_the_fix() -> None:
    before = LOOP.format(line="# clip gradients")
    (finding,) = check_text(before)
    assert [place.location.line for place in finding.related] == [10, 12]
    assert finding.fix is not None
    assert not finding.fix.safe
    (edit,) = finding.fix.edits
    data = before.encode()
    mended = (data[: edit.start] + edit.content.encode() + data[edit.end :]).decode()
    call = "    torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)\n"
    assert mended == before.replace("    optimizer.step()", call + "    optimizer.step()")
    assert check_text(mended) == []


def test_fix_in_a_function_takes_the_optimizers_own_parameters() -> None:
    (finding,) = check_text(ELSEWHERE["a function's docstring"])
    assert finding.fix is not None
    assert finding.fix.edits[0].content == (
        "    torch.nn.utils.clip_grad_norm_("
        '(p for group in optimizer.param_groups for p in group["params"]), max_norm=1.0)\n'
    )
