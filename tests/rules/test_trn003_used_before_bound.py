"""TRN003: names that are read before anything can have bound them."""

from __future__ import annotations

from pathlib import Path

import pytest
from marked import assert_marked, assert_project

FOUND = {
    "a model built before its class": """
        import torch
        from torch import nn

        model = Net()  # TRN003

        class Net(nn.Module):
            pass
        """,
    "an optimizer before its learning rate": """
        import torch

        model = torch.nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)  # TRN003
        lr = 0.1
        """,
    "a counter without a first value": """
        import torch

        def count(loader):
            for x in loader:
                total += x.shape[0]  # TRN003
            return total
        """,
    "a module's counter, increased in a function": """
        import torch

        steps = 0

        def step(optimizer):
            optimizer.step()
            steps += 1  # TRN003
        """,
    "a module's value, read and then assigned": """
        import torch

        best = float("inf")

        def keep(loss):
            if loss < best:  # TRN003
                best = loss
                torch.save({}, "best.pt")
        """,
    "a builtin hidden by the function's own name": """
        import torch

        def largest(values):
            max = max(values)  # TRN003
            return torch.tensor(max)
        """,
    "recurrent state in the first pass": """
        import torch

        def run(cell, batches):
            for x in batches:
                out, hidden = cell(x, hidden)  # TRN003
            return torch.stack(out)
        """,
    "in a branch, before any binding": """
        import torch

        def run(verbose):
            if verbose:
                print(loss)  # TRN003
            loss = torch.zeros(1)
            return loss
        """,
    "in a method": """
        import torch

        class Meter:
            def update(self, value):
                mean = (mean + value) / 2  # TRN003
                self.mean = torch.tensor(mean)
        """,
    "a default that comes later": """
        import torch

        def train(epochs=EPOCHS):  # TRN003
            return torch.zeros(epochs)

        EPOCHS = 3
        """,
}

DEEP = "import torch\n\ndef run():\n" + "".join(
    f"{'    ' * (level + 1)}for i{level} in range(3):\n" for level in range(14)
) + "    " * 15 + "total = torch.zeros(1)\n    return total\n"  # fmt: skip

LEFT_ALONE = {
    "many loops in one another": DEEP,
    "bound in an earlier pass": """
        import torch

        def run(batches):
            for i, x in enumerate(batches):
                if i > 0:
                    print(previous)
                previous = torch.zeros(1) + x
        """,
    "bound in an inner loop's pass": """
        import torch

        def run(batches, memory):
            for x in batches:
                for item in memory:
                    print(loss, item)
                loss = torch.zeros(1) + x
                memory.append(x)
        """,
    "bound in a branch": """
        import torch

        def run(flag):
            if flag:
                loss = torch.zeros(1)
            print(loss)
            loss = None
        """,
    "the first pass binds and goes on": """
        import torch

        def run(batches):
            for i, x in enumerate(batches):
                if i == 0:
                    best = x
                    continue
                best = torch.maximum(best, x)
            return best
        """,
    "read in a function that is called later": """
        import torch

        def train():
            return model(torch.zeros(1))

        model = torch.nn.Linear(1, 1)
        train()
        """,
    "read in a lambda and in a generator": """
        import torch

        def run(values):
            later = lambda: loss
            lazily = (loss + value for value in values)
            loss = torch.zeros(1)
            return later(), list(lazily)
        """,
    "declared global": """
        import torch

        step = 0

        def advance():
            global step
            step += 1
            return torch.tensor(step)
        """,
    "bound by a function that declares it global": """
        import torch

        def build():
            global model
            model = torch.nn.Linear(1, 1)

        build()
        print(model)
        model = None
        """,
    "nonlocal": """
        import torch

        def outer():
            def inner():
                nonlocal count
                count += 1

            count = 0
            inner()
            return torch.tensor(count)
        """,
    "a NameError that is caught": """
        import torch

        try:
            counter += 1
        except NameError:
            counter = 1
        print(torch.tensor(counter))
        """,
    "an exception that is expected": """
        import pytest
        import torch

        def test_order():
            with pytest.raises(UnboundLocalError):
                print(value)
            value = torch.zeros(1)
            return value
        """,
    "a parameter": """
        import torch

        def train(epoch, *rest, scale=1.0, **options):
            epoch += 1
            scale *= 2
            rest = rest + (epoch,)
            options = dict(options)
            return torch.tensor(scale), rest, options
        """,
    "a handler after the body bound it": """
        import torch

        def load(path):
            try:
                stream = open(path)
                state = torch.load(stream)
            except OSError:
                print(stream)
                state = None
            return state
        """,
    "a builtin at module level": """
        import torch

        input = input("width? ")
        print(torch.zeros(int(input)))
        """,
    "a class's own names": """
        import torch

        class Config:
            width = 3
            depth = width * 2
            sizes = [torch.zeros(1) for _ in range(depth)]
        """,
    "a walrus": """
        import torch

        def run(stream):
            while (chunk := stream.read()) and len(chunk) > 1:
                print(chunk, torch.zeros(1))
        """,
    "a comprehension's own name": """
        import torch

        def run(batches):
            losses = [float(loss) for loss in batches]
            for loss in losses:
                print(torch.tensor(loss))
        """,
    "deleted and bound anew": """
        import torch

        def run(batches):
            out = None
            for x in batches:
                del out
                out = torch.zeros(1) + x
            return out
        """,
    "match": """
        import torch

        def run(config):
            match config:
                case {"width": width}:
                    return torch.zeros(width)
                case [depth, *rest]:
                    return torch.zeros(depth), rest
        """,
    "an annotation": """
        from __future__ import annotations
        import torch

        def build() -> Model:
            net: Model = Model()
            return net

        class Model(torch.nn.Module):
            pass
        """,
}


@pytest.mark.parametrize("code", FOUND.values(), ids=FOUND)
def test_found(code: str) -> None:
    assert_marked(code)


@pytest.mark.parametrize("code", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_left_alone(code: str) -> None:
    assert "TRN" not in code
    assert_marked(code)


def test_found_in_a_project(tmp_path: Path) -> None:
    assert_project(
        tmp_path,
        {
            "model.py": """
                import torch

                class Net(torch.nn.Module):
                    def forward(self, x):
                        return x
                """,
            "train.py": """
                import torch
                from model import Net

                optimizer = torch.optim.SGD(net.parameters(), lr=0.1)  # TRN003
                net = Net()
                """,
        },
    )


def test_one_finding_for_all_reads_of_a_name() -> None:
    (finding,) = assert_marked(
        """
        import torch

        loss = 1.0

        def run():
            print(loss)  # TRN003
            print(loss)
            loss = torch.zeros(1)
        """
    )
    assert [place.location.line for place in finding.related] == [7, 8]
    assert finding.hint is not None
    assert "`global loss`" in finding.hint
