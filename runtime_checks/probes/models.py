"""Root modules: those that the script calls itself, not from within another module's forward."""

from __future__ import annotations

import functools
import weakref
from typing import Any

import torch

from trainlint.runtime_checks.patching import Patches
from trainlint.runtime_checks.places import user_site
from trainlint.runtime_checks.record import Disturbed, ModelInfo, ParameterInfo, Site
from trainlint.runtime_checks.state import ModelState, State

# Stands for a module that was never called; None is one without parameters.
_UNKNOWN = ModelState(0, lambda: None, [])  # type: ignore[arg-type]
_MODAL = (torch.nn.modules.dropout._DropoutNd, torch.nn.modules.batchnorm._NormBase)


class Models:
    """Tells roots: what is called while another is running is a part of that one."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._inside = False
        self._disturbed: set[Site | None] = set()
        state.session.at_adoption.append(self._begin_again)
        self._called = state.session.guarded(self._called_root)
        self._left = state.session.guarded(self._left_root)

    def patched(self, original: Any) -> Any:
        """`Module.__call__`: a hook before and after every module would cost many times as much."""

        @functools.wraps(original)
        def __call__(module: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
            if self._inside or not self._state.session.here():
                return original(module, *args, **kwargs)
            self._called(module, args)
            self._inside = True
            try:
                result = original(module, *args, **kwargs)
            finally:
                self._inside = False
            if self._state.after_root:
                self._left(module, args, result)
            return result

        return __call__

    def _begin_again(self) -> None:
        self._inside = False

    def _left_root(self, module: Any, args: Any, result: Any) -> None:
        for look in self._state.after_root:
            look(module, args, result)

    def _called_root(self, module: Any, args: Any) -> None:
        state = self._state
        state.session.beat()
        for action in list(state.session.before_root):
            action(module)
        model = state.models.get(module, _UNKNOWN)
        if model is _UNKNOWN:
            model = state.models[module] = self._register(module)
        if model is None:
            return
        state.last_root_trains = module.training
        model.count(module.training, state.all_backwards)
        if torch.is_grad_enabled():
            model.rested |= not module.training
            model.fed = model.fed and _comes_from_graph(args)
        else:
            state.window.stir()
            layers = _in_training_mode(module) if module.training else []
            state.evaluated[model.id] = state.evaluated.get(model.id, False) or bool(layers)
            if layers and state.session.step:
                self._tell_disturbed(layers)

    def _tell_disturbed(self, layers: list[str]) -> None:
        site = user_site()
        if site not in self._disturbed:
            self._disturbed.add(site)
            self._state.session.emit(Disturbed(self._state.session.step, site, layers))

    def _register(self, module: Any) -> ModelState | None:
        """Describe a root; None for one without parameters, such as a loss."""
        state = self._state
        named = list(module.named_parameters())
        if not named:
            return None
        number = state.session.number()
        layers = dict(module.named_modules())
        infos = [_describe(name, parameter, layers, state) for name, parameter in named]
        name = type(module).__name__
        state.session.emit(ModelInfo(number, name, state.sites.get(module), infos))
        for name, parameter in named:
            if parameter not in state.names:
                state.names[parameter] = (number, name)
        references = [(name, weakref.ref(parameter)) for name, parameter in named]
        return ModelState(number, weakref.ref(module), references)


def install(state: State, patches: Patches) -> None:
    """Patch the call that all modules share."""
    patches.replace(torch.nn.Module, "__call__", Models(state).patched)


def _describe(name: str, parameter: Any, layers: dict[str, Any], state: State) -> ParameterInfo:
    layer = layers.get(name.rpartition(".")[0])
    # A lazy layer's parameter has no shape before its first call.
    lazy = torch.nn.parameter.is_lazy(parameter)
    return ParameterInfo(
        name=name,
        shape=[] if lazy else list(parameter.shape),
        layer=type(layer).__name__,
        requires_grad=parameter.requires_grad,
        site=state.sites.get(layer),
    )


def _comes_from_graph(args: Any) -> bool:
    """Whether a tensor among the arguments was computed from something that is differentiated."""
    return any(getattr(value, "grad_fn", None) is not None for value in args)


def _in_training_mode(module: Any) -> list[str]:
    """The classes of Dropout and BatchNorm below this module that are in training mode."""
    modal = (part for part in module.modules() if isinstance(part, _MODAL))
    return sorted({type(part).__name__ for part in modal if part.training})
