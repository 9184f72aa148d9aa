"""Detectors of gradients and activations along a network; and the probe that they rest on."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_builder import SCRIPT, found, new_run, reason, state, step
from watched import watch

from trainlint.runtime_checks.record import Activation, OptimizerInfo, Order, ParameterInfo, Site
from trainlint.runtime_checks.run import Run


def deep(norms: list[float], steps: int = 40) -> Run:
    """A run of so many layers, used in their order, with these gradient norms."""
    run = new_run()
    names = [f"layers.{index}.weight" for index in range(len(norms))]
    # They were registered from the last to the first.
    run.optimizers[1] = OptimizerInfo(1, "SGD", None, names[::-1], [1])
    run.models[1].parameters.extend(
        ParameterInfo(name, [4, 4], "Linear", True, Site(SCRIPT, 40 + index))
        for index, name in enumerate(names)
    )
    run.orders.append(Order(1, names))
    for _ in range(steps):
        step(run, norms=norms[::-1])
    return run


FADING = [1e-7, 1e-6, 1e-5, 1e-3, 1e-2, 0.1]


def test_gradients_that_fade_are_found_at_the_first_layer_that_was_used() -> None:
    (finding,) = found(deep(FADING), "RUN107")
    assert finding.location.line == 40
    assert "`layers.0.weight` is 1e-07" in finding.message


@pytest.mark.parametrize(
    "norms",
    [
        [1e-2, 1e-2, 1e-3, 1e-3, 1e-2, 0.1],
        [norm * 1e-4 for norm in FADING],  # it has converged
        [0.0, 1e-6, 1e-5, 1e-3, 1e-2, 0.1],  # the first is not used here
        [1e-7, 0.2, 0.1, 0.1, 0.1, 0.1],  # a table of which few rows are met
        FADING[::-1],
    ],
)
def test_gradients_that_do_not_fade(norms: list[float]) -> None:
    assert state(deep(norms), "RUN107") == "passed"


def test_few_layers_or_steps_tell_nothing_of_fading() -> None:
    assert "5 layers" in reason(deep(FADING[:3]), "RUN107")
    assert "20 steps" in reason(deep(FADING, 12), "RUN107")


def acted(function: str, *shares: float, units: int = 64, samples: int = 400) -> Run:
    run = new_run()
    for number, share in enumerate(shares):
        run.activations.append(
            Activation(
                20 * number, function, 1, "b.weight", units, 20, share, number, samples=samples
            )
        )
    for _ in range(40):
        step(run)
    return run


# RUN801


def test_units_that_died_are_found_at_the_layer_before() -> None:
    (finding,) = found(acted("relu", 0.1, 0.5, 0.95), "RUN801")
    assert finding.location.line == 6
    assert "61 of 64 units of the ReLU after `b` are dead" in finding.message
    assert "since training began" in finding.message
    assert "from the start" in found(acted("relu", 1.0), "RUN801")[0].message


@pytest.mark.parametrize(
    ("run", "ended"),
    [
        (acted("relu", 0.6, 0.6), "passed"),  # inputs that hardly vary
        (acted("relu", 0.9, 0.2), "passed"),
        (acted("relu", 0.9, samples=80), "not triggered"),  # batches of four
        (acted("tanh", 0.9), "not triggered"),
    ],
)
def test_units_that_are_not_dead(run: Run, ended: str) -> None:
    assert state(run, "RUN801") == ended


# RUN802


def test_saturation_from_the_start_is_found_even_where_the_loss_falls() -> None:
    run = acted("tanh", 0.9, 0.8)
    run.steps.clear()
    for index in range(40):
        step(run, loss=2.0 / (1 + index))
    assert "from the start" in found(run, "RUN802")[0].message
    learnt = acted("tanh", 0.1, 0.8)
    learnt.steps[:] = run.steps
    assert state(learnt, "RUN802") == "passed"


def test_saturation_that_stops_training_is_found() -> None:
    assert found(acted("sigmoid", 0.1, 0.8), "RUN802")
    assert not found(acted("sigmoid", 0.8, 0.1), "RUN802")


# The probe


def test_activations_are_known_however_they_are_written(tmp_path: Path) -> None:
    told = watch(
        tmp_path,
        """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv, self.bn = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)
                self.one, self.two, self.out = nn.Linear(16, 6), nn.Linear(6, 5), nn.Linear(5, 1)
                self.gate = nn.Linear(5, 5)
                with torch.no_grad():
                    self.one.bias[:3] = -50.0
            def forward(self, x):
                x = F.relu(self.bn(self.conv(x)))
                x = F.max_pool2d(x, 2).flatten(1)
                x = self.one(x).relu()
                x = torch.tanh(self.two(x)) * torch.sigmoid(self.gate(x[:, :5]))
                return self.out(x)

        model = Net()
        optimizer = torch.optim.SGD(model.parameters(), 0.001)
        for index in range(40):
            optimizer.zero_grad()
            loss = model(torch.randn(16, 1, 6, 6)).square().mean()
            loss.backward()
            optimizer.step()
        """,
    )
    seen = {(one.function, one.after): one for one in told.run.activations}
    assert {key: one.units for key, one in seen.items()} == {
        ("relu", "bn.weight"): 4,
        ("relu", "one.bias"): 6,
    }
    assert seen["relu", "one.bias"].share == 0.5
    assert told.run.orders[0].names == [
        "conv.weight", "one.weight", "two.weight", "gate.weight", "out.weight"
    ]  # fmt: skip


def test_a_graph_that_is_recomputed_is_left_alone(tmp_path: Path) -> None:
    told = watch(
        tmp_path,
        """
        from torch.utils.checkpoint import checkpoint
        first, last = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8)), nn.Linear(8, 1)
        optimizer = torch.optim.SGD([*first.parameters(), *last.parameters()], 0.01)
        for index in range(30):
            optimizer.zero_grad()
            hidden = checkpoint(first, torch.randn(8, 4), use_reentrant=False)
            last(torch.relu(hidden)).square().mean().backward()
            optimizer.step()
        """,
    )
    assert len(told.run.steps) == 30
    assert not told.run.activations
