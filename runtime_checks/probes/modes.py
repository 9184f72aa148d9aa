"""In which mode models are trained and evaluated, and whether an evaluation makes a graph."""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from trainlint.runtime_checks import gradients
from trainlint.runtime_checks.identity import IdentityMap
from trainlint.runtime_checks.patching import Patches
from trainlint.runtime_checks.places import user_site
from trainlint.runtime_checks.record import GraphEvaluation, Habits, RestedTraining, Site
from trainlint.runtime_checks.state import OptimizerState, State

_ENVIRONMENTS = ("gymnasium", "gym", "pettingzoo", "stable_baselines3", "dm_env")
_DROPOUT = torch.nn.modules.dropout._DropoutNd
_NORM = torch.nn.modules.batchnorm._NormBase
# Pending calls of an evaluation, beyond which they are only counted.
_MOST = 1000


@dataclass
class _Rest:
    """What an optimizer's steps on a resting model have in common."""

    since: int
    own: int  # steps of the optimizer before the first of them
    layers: list[str]
    fresh: bool
    trained: bool
    share: float
    switched: Site | None
    site: Site | None
    steps: int = 0
    told: int = 0


class Modes:
    """Follows the mode in which roots are called until the step that consumes their gradients."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._switching = False
        self._switched: IdentityMap[Site | None] = IdentityMap()
        # Models by whether one made a graph in training mode: since the last backward, and for the
        # next step.
        self._called: dict[int, tuple[weakref.ref[Any], bool]] = {}
        self._backed: dict[int, tuple[weakref.ref[Any], bool]] = {}
        self._site: Site | None = None
        self._stepped = False
        self._trained: set[int] = set()
        self._rests: dict[tuple[int, int], _Rest] = {}
        self._holds: dict[tuple[int, int], bool] = {}
        # Calls at rest with a graph that no backward has asked for yet, and those that are settled.
        self._pending: list[tuple[Site | None, int]] = []
        self._graphs: dict[tuple[Site | None, int], int] = {}
        self._told: dict[tuple[Site | None, int], int] = {}
        self._between = 0
        self._unrecorded = False

    # -- who is put to rest, and where ---------------------------------------------------------

    def train(self, original: Any) -> Any:
        """`Module.train`, which `eval` calls: the outermost call tells the line."""
        note = self._state.session.guarded(self._note_switch)

        @functools.wraps(original)
        def train(module: Any, mode: bool = True) -> Any:
            if self._switching or not self._state.session.here():
                return original(module, mode)
            self._switching = True
            try:
                result = original(module, mode)
            finally:
                self._switching = False
            note(module, mode)
            return result

        return train

    def _note_switch(self, module: Any, mode: bool) -> None:
        self._switched[module] = None if mode else user_site()

    def _switch_of(self, root: Any) -> Site | None:
        """The `eval()` that reached a module: its own, or that of one that it is a part of."""
        own = self._switched.get(root)
        if own is not None:
            return own
        sites = [
            site
            for module, site in self._switched.items()
            if site is not None and any(part is root for part in module.modules())
        ]
        return sites[-1] if sites else None

    # -- calls, backwards, steps ----------------------------------------------------------------

    def left(self, module: Any, args: Any, result: Any) -> None:
        """After the script called a root."""
        if not torch.is_grad_enabled():
            self._unrecorded = True
            return
        model = self._state.models.get(module)
        if model is None:
            return
        trains = bool(module.training)
        if trains and self._pending:
            self._settle()
        known = self._called.get(model.id)
        self._called[model.id] = (model.module, trains or (known is not None and known[1]))
        if not trains and len(self._pending) < _MOST and _has_graph(result):
            self._pending.append((user_site(), model.id))

    def graph_used(self) -> None:
        """Before a backward, and where gradients are asked for in another way."""
        self._pending.clear()
        if not self._called:
            return
        if self._stepped:
            self._backed.clear()
            self._stepped = False
        for key, (module, trains) in self._called.items():
            self._backed[key] = (module, trains or (key in self._backed and self._backed[key][1]))
        if not all(trains for _, trains in self._backed.values()):
            self._site = user_site()
        self._called.clear()

    def stepped(self, optimizer: Any) -> None:
        """After an update: which resting models it trained."""
        self._stepped = True
        known = self._state.optimizer(optimizer)
        for number, (module, trains) in self._backed.items():
            root = module()
            if root is None or not self._is_held((known.id, number), optimizer, root):
                continue
            if trains:
                self._trained.add(number)
            else:
                self._count_rest((known.id, number), root, known)

    def _is_held(self, key: tuple[int, int], optimizer: Any, root: Any) -> bool:
        if key not in self._holds:
            held = {id(parameter) for parameter in gradients.held(optimizer)}
            self._holds[key] = any(id(p) in held for p in root.parameters())
        return self._holds[key]

    def _count_rest(self, key: tuple[int, int], root: Any, known: OptimizerState) -> None:
        rest = self._rests.get(key)
        if rest is None:
            rest = self._rests[key] = self._begin_rest(key[1], root, known.own)
        rest.steps += 1
        if rest.layers and (rest.steps == 3 or rest.steps >= 2 * max(rest.told, 3)):
            self._tell(key, rest, known.own)

    def _begin_rest(self, number: int, root: Any, own: int) -> _Rest:
        step = self._state.session.step
        layers, fresh = _resting(root)
        count = sum(p.numel() for p in root.parameters())
        trains = sum(p.numel() for p in root.parameters() if p.requires_grad)
        return _Rest(
            since=step,
            own=own,
            layers=layers,
            fresh=fresh,
            trained=number in self._trained,
            share=trains / count if count else 0.0,
            switched=self._switch_of(root),
            site=self._site,
        )

    def _tell(self, key: tuple[int, int], rest: _Rest, own: int) -> None:
        rest.told = rest.steps
        line = RestedTraining(
            step=self._state.session.step,
            optimizer=key[0],
            model=key[1],
            steps=rest.steps,
            since=rest.since,
            of=own - rest.own + 1,
            layers=rest.layers,
            switched=rest.switched,
            site=rest.site,
            fresh=rest.fresh,
            trained=rest.trained,
            share=rest.share,
        )
        self._state.session.emit(line)

    # -- evaluations with a graph ---------------------------------------------------------------

    def _settle(self) -> None:
        """Nothing has gone back through what is pending, and training goes on."""
        for key in self._pending:
            self._graphs[key] = self._graphs.get(key, 0) + 1
        self._pending.clear()
        for key, calls in self._graphs.items():
            if calls >= 2 * self._told.get(key, 1):
                self._told[key] = calls
                site, model = key
                self._state.session.emit(
                    GraphEvaluation(self._state.session.step, site, model, calls)
                )

    # -- habits -----------------------------------------------------------------------------------

    def count(self) -> None:
        """After each step; told at powers of two."""
        self._between += self._unrecorded
        self._unrecorded = False
        step = self._state.session.step
        if step >= 16 and not step & (step - 1):
            self._tell_habits()

    def _tell_habits(self) -> None:
        names = [name for name in _ENVIRONMENTS if name in sys.modules]
        modules = [root.module() for root in self._state.roots()]
        loaded = any(_came_with_weights(self._state, one) for one in modules if one is not None)
        self._state.session.emit(Habits(self._state.session.step, self._between, names, loaded))

    def finish(self) -> None:
        """At the end: what was counted since it was told last."""
        self._settle()
        for (optimizer, model), rest in self._rests.items():
            own = next((o.own for o in self._state.optimizers.values() if o.id == optimizer), None)
            if rest.layers and own is not None and rest.steps >= 3:
                self._tell((optimizer, model), rest, own - 1)
        if self._state.session.step:
            self._tell_habits()


def _has_graph(result: Any) -> bool:
    """Whether an output was computed with a graph; looks into tuples, lists, mappings."""
    return any(value.grad_fn is not None for value in _tensors(result, 3))


def _tensors(value: Any, depth: int) -> Iterator[Any]:
    if isinstance(value, torch.Tensor):
        yield value
    elif depth and isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item, depth - 1)
    elif depth and isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item, depth - 1)


def _resting(root: Any) -> tuple[list[str], bool]:
    """Classes of the layers that know two modes, and whether their statistics are untouched.

    None where one of them is in training mode: then the script tells them apart.
    """
    modal = [part for part in root.modules() if _knows_modes(part)]
    if any(part.training for part in modal):
        return [], False
    counts = [getattr(part, "num_batches_tracked", None) for part in modal]
    fresh = any(count is not None and int(count) == 0 for count in counts)
    return sorted({type(part).__name__ for part in modal}), fresh


def _knows_modes(part: Any) -> bool:
    if isinstance(part, _DROPOUT):
        return bool(part.p > 0)
    return isinstance(part, _NORM) and bool(part.track_running_stats)


def _came_with_weights(state: State, module: Any) -> bool:
    """Whether a model may have been trained before this run."""
    return any(
        part not in state.sites or part in state.loaded or hasattr(part, "from_pretrained")
        for part in module.modules()
    )


def install(state: State, patches: Patches) -> None:
    """Watch roots, backwards and steps."""
    modes = Modes(state)
    guarded = state.session.guarded
    patches.replace(torch.nn.Module, "train", modes.train)
    patches.replace(torch.autograd, "grad", lambda original: _noted(original, state, modes))
    state.after_root.append(guarded(modes.left))
    state.session.before_backward.append(guarded(modes.graph_used))
    state.after_update.append(guarded(modes.stepped))
    state.session.after_step.append(guarded(modes.count))
    state.session.at_end.append(guarded(modes.finish))


def _noted(original: Any, state: State, modes: Modes) -> Any:
    used = state.session.guarded(modes.graph_used)

    @functools.wraps(original)
    def grad(*args: Any, **kwargs: Any) -> Any:
        if state.session.here():
            used()
        return original(*args, **kwargs)

    return grad
