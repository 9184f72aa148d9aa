"""TRN008."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from trainlint.finding import Finding, Severity
from trainlint.lint.binding_order import home_of
from trainlint.lint.gaps import has_gaps
from trainlint.lint.lower.known import canonical
from trainlint.lint.lower.syntax import dotted
from trainlint.lint.mentions import mentions
from trainlint.lint.model import Script
from trainlint.lint.neighbours import is_imported
from trainlint.lint.rule import found, rule


@dataclass(frozen=True)
class Purpose:
    """What some imports are for: what is missing without them, and what else would serve."""

    imports: re.Pattern[str]
    missing: str
    served: re.Pattern[str]


_PURPOSES = (
    Purpose(
        re.compile(r"torch\.nn\.utils\.(clip_grad_norm_?|clip_grad_value_|clip_grads_with_norm_)$"),
        "no gradient is clipped",
        re.compile(r"clip_grad|clip_norm|grad_clip|max_grad_norm|clip_gradients"),
    ),
    Purpose(
        re.compile(r"torch\.optim\.(lr_scheduler(\.\w+)?|swa_utils\.\w+)$"),
        "no schedule changes the learning rate",
        re.compile(r"sched|LR\b|param_groups|adjust_learning_rate|\blr\s*[*/]?="),
    ),
    Purpose(
        re.compile(r"torch\.utils\.data\.(\w+Sampler|random_split|Subset)$"),
        "no sampler or split decides what is trained on",
        re.compile(r"[sS]ampler|split|Subset|subset|valid"),
    ),
    Purpose(
        re.compile(r"sklearn\.model_selection\.(train_test_split|\w*KFold)$"),
        "nothing is held out by it",
        re.compile(r"split|KFold|fold|valid|Subset|test"),
    ),
    Purpose(
        re.compile(r"torch\.nn\.(parallel\.)?(Distributed)?DataParallel$"),
        "the model is not spread over devices",
        re.compile(r"DataParallel|DDP|FSDP|fully_shard|deepspeed|accelerat|fabric", re.IGNORECASE),
    ),
    Purpose(
        re.compile(r"torch\.(cuda\.)?amp\.(GradScaler|autocast)$|torch\.autocast$"),
        "nothing runs in mixed precision",
        re.compile(r"autocast|[sS]caler|apex|\bamp\b|half\(|bfloat16"),
    ),
    Purpose(
        re.compile(r"(torch\.utils\.tensorboard|tensorboardX)\.SummaryWriter$"),
        "nothing is logged by it",
        re.compile(r"add_scalar|SummaryWriter|wandb|[wW]riter|[lL]ogger"),
    ),
    Purpose(
        re.compile(r"torch\.nn\.utils\.(parametrizations\.)?(spectral|weight)_norm$"),
        "no weight is normalised by it",
        re.compile(r"(spectral|weight)_?norm", re.IGNORECASE),
    ),
    Purpose(
        re.compile(r"[\w.]*\bEarlyStopping$"),
        "nothing stops the training early",
        re.compile(r"early|patience|EarlyStopp", re.IGNORECASE),
    ),
)  # fmt: skip


@rule("TRN008", Severity.INFO, needs=(b"import",))
def unused_training_import(script: Script) -> Iterator[Finding]:
    """Something is imported for the training and never used.

    An unused import is litter; an unused `clip_grad_norm_`, scheduler, sampler or `DataParallel` is
    a trace of a step that was meant and is missing.

    The rule speaks only in scripts that train (a backward in a loop), and where nothing else serves
    the purpose: not where gradients are clipped, rates changed, data split in any other way. An
    import in a package's `__init__`, in a `try` or under a test, one named in a string
    (`__all__`), one with `noqa`, or one of a file that others import, is left alone.

    Bad:
        import torch
        from torch.nn.utils import clip_grad_norm_  # TRN008

        def train(model, loader, optimizer):
            for x in loader:
                optimizer.zero_grad()
                model(x).mean().backward()
                optimizer.step()
    Good:
        import torch
        from torch.nn.utils import clip_grad_norm_

        def train(model, loader, optimizer):
            for x in loader:
                optimizer.zero_grad()
                model(x).mean().backward()
                clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()

    Source: pyflakes finds unused imports in general (F401).
    """
    if os.path.basename(script.source.path) == "__init__.py" or script.names.dynamic:
        return
    candidates = list(_unused(script))
    if not candidates or has_gaps(script) or is_imported(script):
        return
    if not script.whole or not any(event.loops for event in script.events("backward")):
        return
    for alias, name, purpose in candidates:
        yield _finding(script, alias, name, purpose)


def _unused(script: Script) -> Iterator[tuple[cst.ImportAlias, str, Purpose]]:
    module = script.names.module
    used = {use.name for use in script.names.uses if home_of(use) in (module, None)}
    rest = _without_imports(script)
    for node in _plain_imports(script.module):
        package = dotted(node.module) if node.module is not None else ""
        for alias in node.names if not isinstance(node.names, cst.ImportStar) else ():
            name = dotted(alias.asname.name if alias.asname else alias.name) or ""
            purpose = _purpose(canonical(f"{package}.{dotted(alias.name)}"))
            if purpose is None or name in used or len(module.bindings.get(name, [])) != 1:
                continue
            if not purpose.served.search(rest) and not mentions(script.module)[name]:
                yield alias, name, purpose


def _purpose(qualified: str) -> Purpose | None:
    return next((one for one in _PURPOSES if one.imports.match(qualified)), None)


def _plain_imports(module: cst.Module) -> Iterator[cst.ImportFrom]:
    """The `from` imports that stand at the top level, and have no comment on their line."""
    for statement in module.body:
        if isinstance(statement, cst.SimpleStatementLine):
            comment = statement.trailing_whitespace.comment
            for node in statement.body:
                if isinstance(node, cst.ImportFrom) and not (comment and "noqa" in comment.value):
                    yield node


def _without_imports(script: Script) -> str:
    """The code but for its import lines: what the purposes are looked for in."""
    parts = []
    for statement in script.module.body:
        bodies = statement.body if isinstance(statement, cst.SimpleStatementLine) else ()
        if not any(isinstance(node, (cst.Import, cst.ImportFrom)) for node in bodies):
            parts.append(script.module.code_for_node(statement))
    return "\n".join(parts)


def _finding(script: Script, alias: cst.ImportAlias, name: str, purpose: Purpose) -> Finding:
    return found(
        script.location(alias),
        f"`{name}` is imported and never used: {purpose.missing}",
        hint="do what it was imported for, or take the import away",
    )
