"""TRN807."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding, Severity
from trainlint.lint.gaps import has_gaps
from trainlint.lint.lower.syntax import dotted
from trainlint.lint.lower.values import Class, Obj
from trainlint.lint.mentions import mentions, walk
from trainlint.lint.model import Event, Script
from trainlint.lint.neighbours import is_mentioned_elsewhere
from trainlint.lint.own_classes import methods, own_classes, own_name, set_by_init
from trainlint.lint.rule import found, rule

# By these a layer is reached without its name.
_BY_ANY_NAME = re.compile(
    rb"children\(|named_modules\(|_modules\b|getattr\(|__dict__|vars\(|add_module\("
)


@rule("TRN807", Severity.INFO, needs=(b"def forward",))
def layer_never_used(script: Script) -> Iterator[Finding]:
    """A layer is made in `__init__`, and nothing ever uses it.

    Often it was meant to stand in `forward`, and the model lacks it. Its parameters get no
    gradients all the while; they are in each checkpoint, and DistributedDataParallel fails over
    them unless it is told to look for unused ones.

    Nothing is said where any code of the project names the attribute, where layers are reached by
    `children()`, `getattr` and the like, or where `forward` is a stub that uses none.

    Bad:
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 4)
                self.norm = nn.BatchNorm1d(4)  # TRN807

            def forward(self, x):
                return self.fc(x)
    Good:
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 4)
                self.norm = nn.BatchNorm1d(4)

            def forward(self, x):
                return self.norm(self.fc(x))

    Source: the documentation of torch.nn.parallel.DistributedDataParallel, on
    `find_unused_parameters`.
    """
    if _BY_ANY_NAME.search(script.source.data) or has_gaps(script):
        return
    named = mentions(script.module)
    for cls in own_classes(script, "torch.nn.Module"):
        bases = [mentions(one.module) for one in _files_of_bases(script, cls)]
        for event in _layers(script, cls):
            name = event.callee
            if any(one[name] for one in (named, *bases)):
                continue
            if not is_mentioned_elsewhere(script, {cls.name}, name):
                yield _finding(cls, event)


def _files_of_bases(script: Script, cls: Class) -> list[Script]:
    """The other files in which classes stand that it derives from."""
    return [one.script for one in cls.mro() if one.script is not None and one.script is not script]


def _layers(script: Script, cls: Class) -> Iterator[Event]:
    """The layers that `__init__` keeps as attributes, each name once."""
    if not any(one.name.value == "forward" and _has_content(one) for one in methods(cls)):
        return
    seen: set[str] = set()
    for event in set_by_init(script, cls):
        if event.callee not in seen and _is_layer(event):
            seen.add(event.callee)
            yield event


def _has_content(forward: cst.FunctionDef) -> bool:
    """Whether it reads anything of its instance: a stub, left for others to write, does not."""
    name = own_name(forward)
    return any(
        isinstance(node, cst.Attribute) and dotted(node.value) == name for node in walk(forward)
    )


def _is_layer(event: Event) -> bool:
    value = event.result
    return isinstance(value, Obj) and value.kind == "module" and isinstance(event.receiver, Obj)


def _finding(cls: Class, event: Event) -> Finding:
    name = f"{event.receiver_text}.{event.callee}"
    return found(
        event.site,
        f"`{name}` is made, and nothing uses it: no output of `{cls.name}` goes through it",
        hint="use it in `forward`, or take it out",
    )
