"""TRN001: names that nothing binds, and names that only seem so."""

from __future__ import annotations

import nbformat
import pytest
from marked import assert_marked

from trainlint.finding import Finding
from trainlint.lint.asking import check_source
from trainlint.lint.notebooks import read_notebook
from trainlint.selection import Selection

FOUND = {
    "in a function": """
        import torch
        from torch import nn

        class Model(nn.Module):
            pass

        def train():
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)  # TRN001
            return optimizer
        """,
    "in a method": """
        import torch

        class Trainer:
            def __init__(self, model):
                self.model = model

            def fit(self):
                for x, y in train_loader:  # TRN001
                    self.model(x)
        """,
    "bound only in main": """
        import torch
        from torch import nn

        def train():
            for _ in range(3):
                net(torch.zeros(1, 2))  # TRN001

        def main():
            net = nn.Linear(2, 2)
            train()

        main()
        """,
    "misspelt": """
        import torch
        from torch import nn

        criterion = nn.MSELoss()
        loss = critereon(torch.zeros(1), torch.ones(1))  # TRN001
        """,
    "under a class's other spelling": """
        import torch
        from torch import nn

        class ResNet18(nn.Module):
            pass

        optimizer = torch.optim.Adam(resnet18.parameters())  # TRN001
        """,
    "in a comprehension": """
        import torch

        total = sum(p.numel() for p in model.parameters())  # TRN001
        """,
    "a comprehension's own name, used after it": """
        import torch

        losses = [float(value) for value in torch.zeros(3)]
        print(value)  # TRN001
        """,
    "in an f-string": """
        import torch

        def report(epoch, loss):
            print(f"{epoch}: {loss:.3f} / {val_loss:.3f}")  # TRN001
        """,
    "in a lambda": """
        import torch

        schedule = torch.optim.lr_scheduler.LambdaLR
        decay = lambda epoch: gamma ** epoch  # TRN001
        """,
    "as a default": """
        import torch

        def train(epochs=num_epochs):  # TRN001
            return torch.zeros(epochs)
        """,
    "as a decorator": """
        import torch

        @timed  # TRN001
        def train():
            return torch.zeros(3)
        """,
    "a class's name, from a method without self": """
        import torch
        from torch import nn

        class Net(nn.Module):
            width = 3

            def forward(self, x):
                return x * width  # TRN001
        """,
    "several uses, one finding": """
        import torch

        print(model)  # TRN001
        print(model)
        torch.save(model, "m.pt")
        """,
    "on the right of its own assignment's function": """
        import torch

        def step():
            optimizer.zero_grad()  # TRN001
            optimizer.step()

        def build(model):
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            return optimizer
        """,
}

LEFT_ALONE = {
    "a star import": """
        import torch
        from model import *

        net(torch.zeros(1))
        """,
    "exec": """
        import torch
        exec(open("configurator.py").read())
        print(batch_size, torch)
        """,
    "globals()": """
        import torch

        globals().update(vars(torch))
        print(tensor)
        """,
    "a NameError that is caught": """
        import torch

        try:
            get_ipython()
        except NameError:
            print(torch.__version__)
        """,
    "bound later, at module level": """
        import torch

        def train():
            return model(torch.zeros(1))

        model = torch.nn.Linear(1, 1)
        train()
        """,
    "made global by a function": """
        import torch

        def build():
            global model
            model = torch.nn.Linear(1, 1)

        def train():
            return model(torch.zeros(1))
        """,
    "the module's own names": """
        import torch

        print(__file__, __name__, __doc__, __spec__, torch)
        """,
    "a walrus": """
        import torch

        while (loss := float(torch.rand(1))) > 0.5:
            print(loss)
        print(loss)
        """,
    "a walrus in a comprehension": """
        import torch

        kept = [last := value for value in torch.zeros(3)]
        print(last)
        """,
    "with, except and for": """
        import torch

        for i, (x, *rest) in enumerate([torch.zeros(3)]):
            with open("log") as log, torch.no_grad():
                try:
                    log.write(str((i, x, rest)))
                except (OSError, ValueError) as error:
                    print(error)
        print(i)
        """,
    "nonlocal": """
        import torch

        def outer():
            best = None

            def inner(loss):
                nonlocal best
                best = loss

            inner(torch.zeros(1))
            return best
        """,
    "a class in its own method": """
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super(Net, self).__init__()
                print(__class__)

            def copy(self):
                return Net()
        """,
    "class attributes in the class's body": """
        import torch

        class Config:
            width = 3
            widths = [width] * 4
            doubled = [w * 2 for w in widths]
        """,
    "names of another Python": """
        import sys
        import torch

        if sys.version_info[0] < 3:
            text = unicode("x")
        else:
            text = "x"
        """,
    "annotations that are never evaluated": """
        from __future__ import annotations
        import torch

        def train(model: Model, loader: "Loader") -> Result:
            best: Metric = 0.0
            return torch.zeros(1), best
        """,
    "match": """
        import torch

        def build(config):
            match config:
                case {"kind": "mlp", "width": width, **rest}:
                    return torch.nn.Linear(width, 1), rest
                case [first, *others]:
                    return first, others
                case str(name):
                    return name
        """,
    "bound in one branch": """
        import torch

        if torch.cuda.is_available():
            scaler = torch.cuda.amp.GradScaler()
        print(scaler)
        """,
    "imports in a function": """
        import torch

        def plot(values):
            import matplotlib.pyplot as plt
            from torch.nn import functional
            plt.plot(functional.relu(torch.tensor(values)))
        """,
    "names that a call puts into this module": """
        import torch
        from ffi import init_api

        def build(graph):
            return _CAPI_Build(graph, torch.zeros(1))

        init_api("ffi.graph", __name__)
        """,
    "the module's own name, as a string": """
        import torch
        from ffi import init_api

        def build(graph):
            return _CAPI_Build(graph, torch.zeros(1))

        init_api("lib.case")
        """,
    "names set on the module itself": """
        import sys
        import torch

        for name in ("float32", "int64"):
            setattr(sys.modules[__name__], name, getattr(torch, name))
        print(float32)
        """,
    "a builtin that the script adds": """
        import builtins
        import torch

        builtins.log = print
        log(torch.zeros(1))
        """,
    "a template": """
        import torch

        model = {{ model_name }}
        print(torch.zeros({{ size }}))
        """,
    "an exercise": """
        import torch

        # YOUR CODE HERE

        print(model(torch.zeros(1)))
        """,
    "code that never runs": """
        import sys
        import torch

        def old():
            raise NotImplementedError
            return module(torch.zeros(1))

        if False:
            print(model)
        sys.exit(0)
        print(models)
        """,
    "a notebook's export": """
        import torch

        get_ipython().run_line_magic("matplotlib", "inline")
        display(torch.zeros(1))
        """,
    "a profiler's decorator": """
        import torch

        @profile
        def step():
            return torch.zeros(1)
        """,
    "a file without torch": """
        print(undefined)
        """,
    "type parameters": """
        import torch

        def first[T](values: list[T]) -> T:
            x: T = values[0]
            return x

        class Box[V]:
            kind = V
        """,
}


@pytest.mark.parametrize("code", FOUND.values(), ids=FOUND)
def test_found(code: str) -> None:
    assert_marked(code)


@pytest.mark.parametrize("code", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_left_alone(code: str) -> None:
    assert "TRN" not in code
    assert_marked(code, "lib/case.py")


NOTEBOOKS = {
    "run": ["%run helpers.py", "import torch\nprint(model(torch.zeros(1)))"],
    "an unknown cell magic": ["%%tab pytorch\nmodel = 1", "import torch\nprint(model, torch)"],
    "captured": ["%%capture out\nprint(1)", "import torch\nprint(out, torch)"],
    "an earlier output": ["import torch\ntorch.zeros(1)", "_1 + 1, Out[1]"],
    "cells to be filled in": ["# Get data", "# Build the model", "# Split",
                              "import torch\nprint(len(train_data), torch)"],
}  # fmt: skip


def check_notebook(cells: list[str]) -> list[Finding]:
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    source = read_notebook("case.ipynb", nbformat.writes(made).encode())
    return check_source(source, Selection())


@pytest.mark.parametrize("cells", NOTEBOOKS.values(), ids=NOTEBOOKS)
def test_notebook_left_alone(cells: list[str]) -> None:
    assert check_notebook(cells) == []


def test_found_in_a_notebook() -> None:
    cells = [
        "%load_ext autoreload\n%autoreload 2",
        "%%bash\nls",
        "# later",
        "import torch\nprint(net)",
    ]
    (finding,) = check_notebook(cells)
    assert (finding.code, finding.location.cell) == ("TRN001", 4)


def test_hint_names_the_class_that_is_never_instantiated() -> None:
    (finding,) = assert_marked(FOUND["in a function"])
    assert finding.hint == (
        "class `Model` stands in line 4 and is never instantiated: `model = Model()` is missing"
    )


def test_no_such_hint_where_the_class_is_instantiated() -> None:
    (finding,) = assert_marked(
        """
        import torch
        from torch import nn

        class Net(nn.Module):
            pass

        def train():
            net(torch.zeros(1))  # TRN001

        def main():
            network = Net()
            train()

        main()
        """
    )
    assert finding.hint is None or "never instantiated" not in finding.hint


def test_all_uses_are_one_finding() -> None:
    (finding,) = assert_marked(FOUND["several uses, one finding"])
    assert [one.location.line for one in finding.related] == [4, 5]
    assert (finding.location.column, finding.location.end_column) == (7, 12)
