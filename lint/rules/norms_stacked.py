"""TRN808."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.finding import Finding, Severity
from trainlint.lint.model import Event, Script, Trace
from trainlint.lint.norms import REMOVALS, Application, applications, cannot_follow, layer_of
from trainlint.lint.rule import found, rule
from trainlint.lint.training import together


@rule("TRN808", Severity.ERROR, needs=(b"_norm(",))
def norms_stacked(script: Script) -> Iterator[Finding]:
    """Two norms are put on one weight, of which the second cannot stand on the first.

    `weight_norm` and `spectral_norm` of `torch.nn.utils` take the parameter away and put others in
    its place. The next one finds none and fails: `KeyError: 'weight'`, or a ValueError; the
    same one twice is a RuntimeError. The parametrizations `weight_norm` and `orthogonal` cannot
    stand on another one (`orthogonal` can with `use_trivialization=False`): the first use of the
    weight raises a TypeError.

    Nothing is said where the first is removed again, or where one of them depends on a test. The
    parametrization `spectral_norm` on top of another one works, and is left alone.

    Bad:
        from torch import nn
        from torch.nn.utils import spectral_norm, weight_norm

        layer = spectral_norm(weight_norm(nn.Linear(4, 4)))  # TRN808
    Good:
        from torch import nn
        from torch.nn.utils import spectral_norm

        layer = spectral_norm(nn.Linear(4, 4))

    Source: the sources of torch.nn.utils.weight_norm, spectral_norm and parametrize; each pair was
    tried with torch 2.13.
    """
    for trace in script.traces:
        before: list[Application] = []
        for one in applications(trace):
            first = next((other for other in before if one.same_weight(other)), None)
            before.append(one)
            if first is None or not cannot_follow(first, one):
                continue
            if _both_happen(first, one) and not _is_removed(trace, one):
                yield _finding(first, one)


def _both_happen(first: Application, second: Application) -> bool:
    """Whether the two come in one pass of the same loops, under the same tests."""
    made_in_it = set(first.layer.varies or ()) == set(first.event.loops)
    return together(first.event, second.event) and made_in_it


def _is_removed(trace: Trace, one: Application) -> bool:
    """Whether a norm is taken off the layer somewhere."""
    return any(event.callee in REMOVALS and _is_on(event, one) for event in trace.events)


def _is_on(event: Event, one: Application) -> bool:
    given = event.argument(0, "module")
    layer = layer_of(given.value) if given is not None else None
    return layer is None or layer is one.layer


def _finding(first: Application, second: Application) -> Finding:
    return found(
        second.event.site,
        f"`{second.short}` is put on a weight that has `{first.short}` already: it finds no plain"
        " parameter there, and fails",
        related=[(first.event.site, f"`{first.short}` takes the parameter here")],
        hint="keep one of the two",
    )
