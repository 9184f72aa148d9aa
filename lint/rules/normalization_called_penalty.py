"""TRN729."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding, Severity
from trainlint.lint.lower.prose import HEDGES, comments
from trainlint.lint.lower.syntax import dotted
from trainlint.lint.mentions import every
from trainlint.lint.model import Script
from trainlint.lint.rule import found, rule

_PENALTY = re.compile(
    r"\bL[12][\s-]+(?:regulari[sz]\w*|penalt\w+)|\bweight[\s-]decay\b|L[12]\s?正则|权重衰减",
    re.IGNORECASE,
)
_BESIDES = re.compile(r"\b(?:and|also|plus|besides|replaces?|other)\b|[+]", re.IGNORECASE)


@rule("TRN729", Severity.INFO, needs=(b"spectral_norm", b"weight_norm"))
def normalization_called_penalty(script: Script) -> Iterator[Finding]:
    """A comment calls spectral or weight normalization an L2 or L1 penalty.

    Neither adds anything to the loss: the one divides a weight by its largest singular value, the
    other learns its length apart from its direction. Whoever believes the comment leaves out the
    weight decay that was meant.

    Only a comment on the line of the call, or on the line above it, is read.

    Bad:
        from torch import nn

        # L2 regularization of the weights  # TRN729
        layer = nn.utils.spectral_norm(nn.Linear(4, 1))
    Good:
        from torch import nn

        # bounds how steep the layer is
        layer = nn.utils.spectral_norm(nn.Linear(4, 1))

    Source: Miyato et al., "Spectral Normalization for Generative Adversarial Networks" (2018);
    Salimans and Kingma, "Weight Normalization" (2016).
    """
    called = dict(_calls(script))
    for one in comments(script.source.code):
        name = called.get(one.line + 1 if one.alone else one.line)
        if name is None or not _PENALTY.search(one.text):
            continue
        if HEDGES.search(one.text) or _BESIDES.search(one.text):
            continue
        end = one.column + len(one.text)
        yield found(
            script.source.location(one.line, one.column, one.line, end),
            f"the comment speaks of a penalty, but `{name}` adds none to the loss",
            hint="say what it does, or give the optimizer a `weight_decay`",
        )


def _calls(script: Script) -> Iterator[tuple[int, str]]:
    """The lines that call a normalization of torch's, and its name."""
    for node in every(script.module, cst.Call):
        name = (dotted(node.func) or "").split(".")[-1]
        if name in ("spectral_norm", "weight_norm"):
            yield script.range(node)[0], name
