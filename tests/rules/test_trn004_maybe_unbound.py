"""TRN004: names that only an `if` without `else` binds."""

from __future__ import annotations

import textwrap

import pytest
from marked import check_text, expected

FOUND = {
    "in a function": """
        import torch

        def plot(image, classes=None):
            if classes:
                title = f"{classes}"
            print(title, torch.tensor(image))  # TRN004
        """,
    "flat": """
        import torch

        values = torch.randn(3)
        if values.mean() > 0:
            best = values.max()
        print(best)  # TRN004
        """,
    "in a loop, from an earlier pass": """
        import torch

        def convert(state):
            converted = {}
            for key, value in state.items():
                if "inv_freq" not in key:
                    name = key.replace("a", "b")
                converted[name] = torch.tensor(value)  # TRN004
            return converted
        """,
    "in a method, two branches": """
        import torch

        class Trainer:
            def fit(self, loss, limit):
                if loss < limit:
                    word = "good"
                elif loss > 2 * limit:
                    word = "bad"
                return torch.tensor(loss), word  # TRN004
        """,
    "read by a test": """
        import torch

        def run(warm):
            if warm:
                scale = 0.1
            if scale < 1:  # TRN004
                print(torch.tensor(scale))
        """,
}

LEFT_ALONE = {
    "an else": """
        import torch

        def run(warm):
            if warm:
                scale = 0.1
            else:
                scale = 1.0
            return torch.tensor(scale)
        """,
    "a first value": """
        import torch

        def run(warm):
            scale = 1.0
            if warm:
                scale = 0.1
            return torch.tensor(scale)
        """,
    "by name": """
        import torch

        def build(name, params):
            if name == "sgd":
                optimizer = torch.optim.SGD(params, lr=0.1)
            elif name in ("adam", "adamw"):
                optimizer = torch.optim.Adam(params)
            return optimizer
        """,
    "by class": """
        import torch

        def size(value):
            if isinstance(value, torch.Tensor):
                shape = value.shape
            elif isinstance(value, list):
                shape = len(value)
            return shape
        """,
    "the same test again": """
        import torch

        def run(warm):
            if warm:
                scale = 0.1
            if warm:
                print(torch.tensor(scale))
            return scale if warm else None
        """,
    "another way out": """
        import torch

        def run(warm):
            if not warm:
                message = "cold"
                raise ValueError(message)
            if warm > 1:
                scale = 0.1
            if not warm > 1:
                return None
            return torch.tensor(scale)
        """,
    "by what the machine has": """
        import torch

        if torch.cuda.is_available():
            scaler = torch.cuda.amp.GradScaler()
        print(scaler)
        """,
    "made global elsewhere": """
        import torch

        def build():
            global model
            model = torch.nn.Linear(1, 1)

        if len(open("flag").read()) > 3:
            model = None
        build()
        print(model)
        """,
    "reckoned with": """
        import torch

        def run(warm):
            if warm:
                scale = 0.1
            try:
                return torch.tensor(scale)
            except NameError:
                return None
        """,
    "a loop's variable": """
        import torch

        def run(batches):
            for batch in batches:
                loss = torch.tensor(batch)
            return loss, batch
        """,
    "a function that is called later": """
        import torch

        def run(warm):
            if warm:
                scale = 0.1
            return lambda: torch.tensor(scale)
        """,
}


@pytest.mark.parametrize("code", FOUND.values(), ids=FOUND)
def test_found(code: str) -> None:
    code = textwrap.dedent(code)
    findings = check_text(code, "case.py", "TRN004")
    assert [(one.code, one.location.line) for one in findings] == expected(code)


@pytest.mark.parametrize("code", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_left_alone(code: str) -> None:
    assert check_text(code, "case.py", "TRN004") == []


def test_off_by_default() -> None:
    assert check_text(FOUND["flat"]) == []
