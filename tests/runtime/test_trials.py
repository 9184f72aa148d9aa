"""The trials: what each changes, that it changes nothing else, and where it says that it cannot."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from run_builder import new_run, ordinary
from torch import nn
from torch.nn.utils import parametrize

from trainlint.runtime_checks.install import watching
from trainlint.runtime_checks.record import Line, Raised, Step, TrialState
from trainlint.runtime_checks.run import Run, build_run
from trainlint.runtime_checks.session import Session
from trainlint.runtime_checks.table import trial_rows
from trainlint.runtime_checks.trials.trial import Trial, TrialError, parse_trial


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Reproducible, and gentle with a small machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def watch(train: Callable[[], object], trial: str | None = None) -> Run:
    """Train from the same seed, observed, with the change of a trial."""
    lines: list[Line] = []
    torch.manual_seed(0)
    with watching(Session(lines.append), trial=parse_trial(trial) if trial else None):
        train()
    assert any(isinstance(line, TrialState) for line in lines) == (trial is not None)
    run = build_run(lines)
    assert not [note for note in run.notes if note.startswith("not measured")]
    return run


def fit(
    model: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 5, scale: float = 1.0
) -> None:
    """Some steps on random data of eight features."""
    for _ in range(steps):
        optimizer.zero_grad()
        (model(torch.randn(16, 8)) * scale).square().mean().backward()
        optimizer.step()


def network() -> nn.Sequential:
    """Two trained layers."""
    return nn.Sequential(nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 2))


def explodes() -> None:
    """Grows without bound, at this learning rate."""
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(30):
        x = torch.randn(16, 8)
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), 5 * x.square().sum(1, keepdim=True)).backward()
        optimizer.step()


def what(run: Run) -> tuple[bool, str]:
    """Whether the trial applied, and its words."""
    assert run.trial is not None
    return run.trial.applied, run.trial.what


def peak(run: Run) -> float:
    """Greatest norm, NaN the greatest."""
    norms = [step.norm or 0.0 for step in run.steps]
    return math.inf if any(math.isnan(norm) for norm in norms) else max(norms)


# -- what is written on the command line --------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "trial"),
    [
        ("clip-norm=1.0", Trial("clip-norm", 1.0)),
        ("clip-value=5e-1", Trial("clip-value", 0.5)),
        ("spectral-norm", Trial("spectral-norm")),
        ("weight-norm", Trial("weight-norm")),
    ],
)
def test_a_trial_is_understood(text: str, trial: Trial) -> None:
    assert parse_trial(text) == trial


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("clip-norm", "needs a value: the largest gradient norm, such as clip-norm=1.0"),
        ("clip-norm=", "needs a value"),
        ("clip-norm=big", "needs a value"),
        ("clip-norm=0", "above 0"),
        ("clip-value=-1", "above 0"),
        ("clip-value=nan", "above 0"),
        ("clip-norm=inf", "above 0"),
        ("weight-norm=2", "takes no value"),
        ("clip_norm=1", "did you mean clip-norm?"),
        (
            "batchnorm",
            "there are clip-norm, clip-value, spectral-norm, weight-norm, lr",
        ),
        ("", "there are clip-norm"),
    ],
)
def test_a_trial_that_is_none_says_what_there_is(text: str, words: str) -> None:
    with pytest.raises(TrialError) as raised:
        parse_trial(text)
    assert words in str(raised.value)


# -- clipping -----------------------------------------------------------------------------------


def test_clipping_by_norm_holds_what_explodes() -> None:
    plain, clipped = watch(explodes), watch(explodes, "clip-norm=1.0")
    assert peak(plain) == math.inf
    assert peak(clipped) < 1e3
    assert all(step.norm_after <= 1.0001 for step in clipped.steps if step.norm_after)
    assert what(clipped) == (True, "clip_grad_norm_(1) before 30 steps")
    assert len(clipped.clips) == 30


def test_the_first_step_is_that_of_the_plain_run() -> None:
    plain, clipped = watch(explodes), watch(explodes, "clip-norm=0.1")
    first, other = plain.steps[0], clipped.steps[0]
    assert (other.loss, other.norm, other.norms) == (first.loss, first.norm, first.norms)
    assert other.norm_after == pytest.approx(0.1, rel=1e-4)


def test_clipping_by_value() -> None:
    model = network()
    largest: list[float] = []

    def train() -> None:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        step = type(optimizer).step

        def look(*_: object) -> None:
            gradients = [p.grad for p in model.parameters()]
            largest.append(max(float(g.abs().max()) for g in gradients if g is not None))

        assert step
        optimizer.register_step_post_hook(look)
        fit(model, optimizer, scale=20)

    run = watch(train, "clip-value=0.5")
    assert largest == [0.5] * 5
    assert what(run) == (True, "clip_grad_value_(0.5) before 5 steps")
    assert all(step.norm_after < step.norm for step in run.steps)  # type: ignore[operator]


@pytest.mark.parametrize("unscaled", [True, False])
def test_clipping_is_by_the_gradients_own_size_under_a_scaler(unscaled: bool) -> None:
    def train() -> None:
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        for _ in range(4):
            optimizer.zero_grad()
            scaler.scale((30 * model(torch.randn(16, 8))).square().mean()).backward()
            if unscaled:
                scaler.unscale_(optimizer)
            scaler.step(optimizer)
            scaler.update()

    run = watch(train, "clip-norm=0.25")
    assert [step.norm_after for step in run.steps] == pytest.approx([0.25] * 4, rel=1e-3)
    assert run.steps[0].norm == pytest.approx(watch(train).steps[0].norm, rel=1e-5)


def test_each_optimizers_gradients_are_clipped_by_themselves() -> None:
    def train() -> None:
        first, second = network(), network()
        for model in (first, second):
            fit(model, torch.optim.SGD(model.parameters(), lr=0.1), 2, scale=20)

    run = watch(train, "clip-norm=1.0")
    assert [step.norm_after for step in run.steps] == pytest.approx([1.0] * 4, rel=1e-4)


def test_gradients_within_a_closure_are_out_of_reach() -> None:
    def train() -> None:
        model, x = network(), torch.randn(16, 8)
        optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=3)

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            return loss

        for _ in range(3):
            optimizer.step(closure)

    run = watch(train, "clip-norm=1.0")
    assert what(run) == (
        False,
        "the optimizer computes its gradients within step(), in a closure",
    )
    assert run.clips == []


def test_without_a_step_nothing_is_clipped() -> None:
    assert what(watch(lambda: None, "clip-norm=1.0")) == (False, "no optimizer step was reached")


def test_what_torch_refuses_to_clip_is_said() -> None:
    def train() -> None:
        table = nn.Embedding(10, 3, sparse=True)
        optimizer = torch.optim.SGD(table.parameters(), lr=0.1)
        table(torch.tensor([1, 2])).sum().backward()
        optimizer.step()

    applied, reason = what(watch(train, "clip-value=0.5"))
    if not applied:  # torch's clipping of sparse gradients differs by version
        assert reason.split(":")[0] in ("RuntimeError", "NotImplementedError")


# -- norms --------------------------------------------------------------------------------------


def groups_of(optimizer: torch.optim.Optimizer) -> list[list[tuple[int, ...]]]:
    """Shapes of the parameters of each group."""
    return [[tuple(p.shape) for p in group["params"]] for group in optimizer.param_groups]


def test_weight_norm_keeps_the_groups_and_the_first_loss() -> None:
    made: list[tuple[nn.Sequential, torch.optim.Optimizer]] = []

    def train() -> None:
        model = network()
        optimizer = torch.optim.Adam(
            [
                {"params": model[0].parameters(), "lr": 0.1},
                {"params": model[2].parameters(), "lr": 0.01},
            ]
        )
        made.append((model, optimizer))
        fit(model, optimizer)

    plain, normed = watch(train), watch(train, "weight-norm")
    assert what(normed) == (True, "weight_norm on 2 layers")
    assert normed.steps[0].loss == pytest.approx(plain.steps[0].loss, rel=1e-6)
    assert normed.steps[0].lrs == plain.steps[0].lrs == [0.1, 0.01]
    assert groups_of(made[0][1]) == [[(6, 8), (6,)], [(2, 6), (2,)]]
    model, optimizer = made[1]
    assert groups_of(optimizer) == [[(6, 1), (6, 8), (6,)], [(2, 1), (2, 6), (2,)]]
    held = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in model.parameters())
    assert len(optimizer.state) == 6
    assert {step.with_grad for step in normed.steps} == {6}


def test_the_names_of_an_optimizer_over_named_parameters_are_kept_in_step() -> None:
    made: list[torch.optim.Optimizer] = []

    def train() -> None:
        model = network()
        made.append(torch.optim.SGD(model.named_parameters(), lr=0.1))
        fit(model, made[0])

    watch(train, "weight-norm")
    group = made[0].param_groups[0]
    if "param_names" in group:  # torch 2.6
        assert group["param_names"][:3] == [
            "0.parametrizations.weight.original0",
            "0.parametrizations.weight.original1",
            "0.bias",
        ]
        assert len(group["param_names"]) == len(group["params"])


@pytest.mark.parametrize("trial", ["weight-norm", "spectral-norm", "clip-norm=1.0"])
def test_the_scripts_own_random_numbers_stay_the_same(trial: str) -> None:
    drawn: list[list[float]] = []

    def train() -> None:
        model = network()
        fit(model, torch.optim.SGD(model.parameters(), lr=0.01))
        drawn.append(torch.randn(3).tolist())

    watch(train)
    assert what(watch(train, trial))[0]
    assert drawn[0] == drawn[1]


def test_spectral_norm_bounds_the_layers() -> None:
    made: list[nn.Sequential] = []

    def train() -> None:
        model = network()
        with torch.no_grad():
            model[0].weight.mul_(50)
        made.append(model)
        fit(model, torch.optim.SGD(model.parameters(), lr=0.01))

    assert what(watch(train, "spectral-norm")) == (True, "spectral_norm on 2 layers")
    made[0].eval()
    for layer in (made[0][0], made[0][2]):
        assert float(torch.linalg.matrix_norm(layer.weight, 2)) == pytest.approx(1, abs=0.05)


def test_convolutions_are_changed_too() -> None:
    def train() -> None:
        model = nn.Sequential(nn.Conv1d(1, 4, 3), nn.ConvTranspose1d(4, 1, 3), nn.Flatten())
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        for _ in range(2):
            optimizer.zero_grad()
            model(torch.randn(5, 1, 8)).square().mean().backward()
            optimizer.step()

    for trial in ("weight-norm", "spectral-norm"):
        assert what(watch(train, trial)) == (True, f"{trial.replace('-', '_')} on 2 layers")


def test_a_frozen_layer_stays_as_it_is() -> None:
    made: list[nn.Sequential] = []

    def train() -> None:
        model = network()
        model[0].requires_grad_(False)
        made.append(model)
        trained = [p for p in model.parameters() if p.requires_grad]
        fit(model, torch.optim.SGD(trained, lr=0.01))

    assert what(watch(train, "weight-norm")) == (True, "weight_norm on 1 layer")
    assert not parametrize.is_parametrized(made[0][0])


def test_shared_weights_are_left_alone() -> None:
    class Tied(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.encode, self.middle, self.decode = (nn.Linear(8, 8) for _ in range(3))
            self.decode.weight = self.encode.weight

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.decode(self.middle(self.encode(x)))
            return out

    def train() -> None:
        model = Tied()
        fit(model, torch.optim.SGD(model.parameters(), lr=0.01))

    assert what(watch(train, "weight-norm")) == (
        True,
        "weight_norm on 1 layer; not on 2 layers whose weight is shared with another layer",
    )


def test_weights_shared_between_two_models_are_left_alone() -> None:
    def train() -> None:
        encoder, decoder = nn.Linear(8, 8), nn.Linear(8, 8)
        decoder.weight = encoder.weight
        optimizer = torch.optim.SGD([*encoder.parameters(), decoder.bias], lr=0.01)
        for _ in range(3):
            optimizer.zero_grad()
            decoder(encoder(torch.randn(4, 8))).square().mean().backward()
            optimizer.step()

    assert what(watch(train, "spectral-norm")) == (
        False,
        "cannot change 2 layers whose weight is shared with another layer",
    )


@pytest.mark.parametrize("trial", ["weight-norm", "spectral-norm"])
def test_a_layer_that_begins_at_zero_is_not_divided_by_it(trial: str) -> None:
    def train() -> None:
        model = network()
        nn.init.zeros_(model[2].weight)
        fit(model, torch.optim.SGD(model.parameters(), lr=0.01))

    run = watch(train, trial)
    assert what(run)[1].endswith(
        "on 1 layer; not on 1 layer whose weight begins at zero, and would be divided by its norm"
    )
    assert all(math.isfinite(step.loss) for step in run.steps if step.loss is not None)


def test_an_optimizer_that_was_loaded_keeps_its_state() -> None:
    before = network()
    optimizer = torch.optim.Adam(before.parameters(), lr=0.01)
    fit(before, optimizer)
    saved = optimizer.state_dict()

    def train() -> None:
        model = network()
        resumed = torch.optim.Adam(model.parameters(), lr=0.01)
        resumed.load_state_dict(saved)
        fit(model, resumed)

    applied, reason = what(watch(train, "weight-norm"))
    assert not applied
    assert "checkpoint that the script loads after building it" in reason


def test_weights_that_are_loaded_before_training_are_no_obstacle() -> None:
    saved = network().state_dict()

    def train() -> None:
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        with torch.no_grad():
            model(torch.zeros(1, 8))
        model.load_state_dict(saved)
        fit(model, optimizer)

    plain, normed = watch(train), watch(train, "weight-norm")
    assert what(normed) == (True, "weight_norm on 2 layers")
    assert normed.steps[0].loss == pytest.approx(plain.steps[0].loss, rel=1e-6)
    names = next(iter(normed.optimizers.values())).parameters
    assert "?" not in names
    assert names[0] == "0.parametrizations.weight.original0"


def test_a_model_that_is_called_before_its_optimizer_is_made() -> None:
    def train() -> None:
        model = network()
        model(torch.zeros(1, 8))
        fit(model, torch.optim.SGD(model.parameters(), lr=0.01))

    assert what(watch(train, "weight-norm")) == (True, "weight_norm on 2 layers")


def test_lazy_layers_are_changed_once_they_have_a_shape() -> None:
    def train() -> None:
        model = nn.Sequential(nn.LazyLinear(4))
        model(torch.zeros(1, 8))
        fit(model, torch.optim.SGD(model.parameters(), lr=0.01))

    assert what(watch(train, "weight-norm")) == (True, "weight_norm on 1 layer")


def test_two_models_that_train_in_turn() -> None:
    def train() -> None:
        maker, judge = nn.Linear(4, 8), nn.Linear(8, 1)
        first = torch.optim.SGD(judge.parameters(), lr=0.01)
        second = torch.optim.SGD(maker.parameters(), lr=0.01)
        for _ in range(3):
            with torch.no_grad():
                made = maker(torch.randn(5, 4))
            first.zero_grad()
            judge(made).mean().backward()
            first.step()
            second.zero_grad()
            judge(maker(torch.randn(5, 4))).mean().backward()
            second.step()

    assert what(watch(train, "spectral-norm")) == (True, "spectral_norm on 2 layers")


def test_a_running_average_of_the_weights_still_matches() -> None:
    made: list[tuple[nn.Sequential, nn.Sequential]] = []

    def train() -> None:
        model = network()
        average = copy.deepcopy(model)
        made.append((model, average))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(3):
            fit(model, optimizer, 1)
            with torch.no_grad():
                for mean, value in zip(average.parameters(), model.parameters(), strict=True):
                    mean.lerp_(value, 0.5)
        average.load_state_dict(model.state_dict())

    watch(train, "weight-norm")
    model, average = made[0]
    x = torch.randn(3, 8)
    assert torch.equal(model(x), average(x))


@pytest.mark.parametrize(
    ("train", "reason"),
    [
        (lambda: None, "no linear or convolutional layer that an optimizer trains"),
        (
            lambda: fit(nn.Sequential(nn.Linear(8, 2)), torch.optim.SGD([torch.zeros(1)], lr=0.1)),
            "no linear or convolutional layer that an optimizer trains",
        ),
    ],
)
def test_without_a_layer_it_says_so(train: Callable[[], None], reason: str) -> None:
    assert what(watch(train, "weight-norm")) == (False, reason)


# -- the table ----------------------------------------------------------------------------------


def test_a_script_that_raises_only_under_the_trial_was_not_cured() -> None:
    failed = new_run(reason="raised")
    failed.trial = TrialState(True, "weight_norm on 3 layers")
    text = "Error(s) in loading state_dict:\n\tMissing key(s)"
    failed.raised = Raised(3, "builtins.RuntimeError", text, [])
    row = trial_rows(ordinary(), [("weight-norm", failed)])[1]
    assert row.reason == (
        "with weight_norm on 3 layers, the script raised "
        "RuntimeError: Error(s) in loading state_dict: Missing key(s)"
    )
    assert (row.cured, row.peak) == ((), None)
    assert trial_rows(replace(failed, trial=None), [("x", failed)])[1].reason == ""


def test_steps_of_a_trial_are_steps_like_others() -> None:
    run = watch(explodes, "weight-norm")
    assert all(isinstance(step, Step) and not step.stale for step in run.steps)
    assert [step.step for step in run.steps] == list(range(30))
