"""Where a number that is none comes from: each operation of a few steps is looked at.

Only in a second run, made for that: it costs many times what the light probes do, and hooks the
nodes of the script's own graphs.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from trainlint.runtime_checks.patching import Patches
from trainlint.runtime_checks.places import is_ours, user_site
from trainlint.runtime_checks.record import Origin, Site
from trainlint.runtime_checks.state import State

# They are handed the numbers that are not finite, or are asked for them.
_MEANT = frozenset(
    "masked_fill masked_fill_ where full full_like new_full fill_ log_softmax empty empty_like "
    "new_empty backward __get__ __set__ detach isfinite isnan isinf nan_to_num".split()
)

# It comes at once where the first run is repeated, and soon in another of its kind.
_STEPS = 12


class Origins(TorchFunctionMode):  # type: ignore[misc]
    """Sees every function of torch that the script calls, from step `begin` on."""

    def __init__(self, state: State, begin: int) -> None:
        super().__init__()
        self._state = state
        self._begin = begin
        self._found: list[Origin] = []
        self._told = False
        self._look = state.session.guarded(self._looked)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call it, then look at what it was given and what it made of that."""
        session = self._state.session
        kwargs = kwargs or {}
        ours = is_ours(sys._getframe(1).f_code.co_filename)  # another probe's doing
        if self._told or ours or session.step < self._begin or not session.here():
            return func(*args, **kwargs)
        name = getattr(func, "__name__", str(func))
        given = [] if name in _MEANT else [_summary(value) for value in _floats((args, kwargs))]
        result = func(*args, **kwargs)
        if name not in _MEANT and given and not _has_infinite_number((args, kwargs)):
            self._look(name, given, list(_floats((args, kwargs))), result)
        return result

    def _looked(self, name: str, given: list[_Summary], args: list[Any], result: Any) -> None:
        made = next(_floats(result), None)
        if made is None or not all(one.finite for one in given):
            return
        site, module = user_site(), _module(self._state)
        if not bool(torch.isfinite(made).all()):
            self._found.append(self._origin("forward", name, site, module, given, args, made))
        elif made.grad_fn is not None:
            made.grad_fn.register_hook(self._watch(name, site, module, given))

    def _watch(
        self, name: str, site: Site | None, module: str, given: list[_Summary]
    ) -> Callable[[Any, Any], None]:
        """Looks at the gradients that a node makes of those that it is given."""

        def look(made: Any, come: Any) -> None:
            if self._told or not all(_is_finite(one) for one in come if one is not None):
                return
            bad = next((one for one in made if one is not None and not _is_finite(one)), None)
            if bad is not None:
                origin = self._origin("backward", name, site, module, given, [], bad)
                self._tell(origin)

        return self._state.session.guarded(look)

    def _origin(
        self,
        phase: str,
        name: str,
        site: Site | None,
        module: str,
        given: list[_Summary],
        args: list[Any],
        made: Any,
    ) -> Origin:
        with torch.no_grad():
            at = (~torch.isfinite(made)).nonzero()[0].tolist() if made.dim() else []
            value = float(made[tuple(at)])
            first = given[0]
            same = [one for one in args if tuple(one.shape) == tuple(made.shape)]
            own = float(same[0][tuple(at)]) if same else None
        step = self._state.session.step
        size = (first.shape, first.low, first.high)
        return Origin(step, phase, name, site, module, value, *size, at, own)

    def entered(self, module: Any, args: Any) -> None:
        """Before a root is called: whether the batch itself is bad."""
        if self._told or self._state.session.step < self._begin:
            return
        for value in _floats(args):
            if not _is_finite(value):
                name = type(module).__name__
                summary = [_summary(value)]
                self._found.append(
                    self._origin("input", name, user_site(), "", summary, [], value.detach())
                )

    def backs(self, tensors: Any) -> None:
        """Before a backward: a loss that is not finite was made by the first that is not."""
        if self._told or self._state.session.step < self._begin:
            return
        if self._found and any(not _is_finite(value) for value in _floats(tensors)):
            self._tell(self._found[0])
        self._found.clear()

    def _tell(self, origin: Origin) -> None:
        self._told = True
        self._state.session.emit(origin)


class _Summary:
    """Shape, least and greatest value of a tensor, taken before an operation may change it."""

    def __init__(self, tensor: Any) -> None:
        with torch.no_grad():
            self.shape = list(tensor.shape)
            self.finite = _is_finite(tensor)
            known = tensor.detach()[torch.isfinite(tensor)] if tensor.numel() else tensor
            self.low = float(known.min()) if known.numel() else math.nan
            self.high = float(known.max()) if known.numel() else math.nan


def _summary(tensor: Any) -> _Summary:
    with torch._C.DisableTorchFunction():
        return _Summary(tensor)


def _is_finite(tensor: Any) -> bool:
    with torch._C.DisableTorchFunction(), torch.no_grad():
        return bool(torch.isfinite(tensor).all())


def _floats(value: Any, depth: int = 3) -> Iterator[Any]:
    """Tensors of numbers with a fraction, in arguments or results."""
    if isinstance(value, torch.Tensor):
        if value.is_floating_point() and value.layout == torch.strided:
            yield value
    elif depth and isinstance(value, dict):
        for item in value.values():
            yield from _floats(item, depth - 1)
    elif depth and isinstance(value, (tuple, list)):
        for item in value:
            yield from _floats(item, depth - 1)


def _has_infinite_number(value: Any, depth: int = 3) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if depth and isinstance(value, dict):
        return any(_has_infinite_number(item, depth - 1) for item in value.values())
    if depth and isinstance(value, (tuple, list)):
        return any(_has_infinite_number(item, depth - 1) for item in value)
    return False


def _module(state: State) -> str:
    """Name and class of the innermost module in whose method the call stands."""
    frame = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if code.co_argcount and code.co_varnames[0] == "self":
            owner = frame.f_locals.get("self")
            if isinstance(owner, torch.nn.Module):
                return _named(state, owner)
        frame = frame.f_back  # type: ignore[assignment]
    return ""


def _named(state: State, module: Any) -> str:
    kind = type(module).__name__
    for root in state.roots():
        whole = root.module()
        for name, part in whole.named_modules() if whole is not None else ():
            if part is module:
                return f"{name} ({kind})" if name else kind
    return kind


def install(state: State, patches: Patches, begin: int) -> None:
    """Look from step `begin` on, for a few steps; passes are cut as in the first run."""
    budget = state.session.budget
    if budget is not None:
        budget.max_steps = min(budget.max_steps, begin + _STEPS)
    origins = Origins(state, begin)
    guarded = state.session.guarded
    state.before_graph.append(guarded(origins.backs))
    entered = guarded(origins.entered)
    handle = torch.nn.modules.module.register_module_forward_pre_hook(entered)
    patches.keep(handle)
    patches.enter_context(origins)
