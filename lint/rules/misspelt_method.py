"""TRN007."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from trainlint.finding import Finding, Fix, Severity
from trainlint.lint.lower.syntax import dotted, parameters
from trainlint.lint.lower.values import Class
from trainlint.lint.mentions import mentions, walk
from trainlint.lint.model import Script
from trainlint.lint.own_classes import methods, own_classes
from trainlint.lint.rule import found, rule

_INIT_SLIPS = frozenset({
    "__int__", "_init_", "__init_", "_init__", "__init", "init__", "__inti__", "__ini__",
    "__intit__", "__iint__", "__init___", "___init__", "__initi__", "__nit__", "__initt__",
    "__Init__", "__inint__",
})  # fmt: skip
_GETITEM_SLIPS = frozenset({
    "__get_item__", "__getitem", "__getitem_", "_getitem_", "_getitem__", "getitem__",
    "__getItem__", "__get_items__", "__getitme__", "__gettiem__", "__getietm__", "__geitem__",
    "__getiem__", "__gettitem__",
})  # fmt: skip
_LEN_SLIPS = frozenset({
    "__length__", "__len", "__len_", "_len_", "_len__", "len__", "__lenght__", "__length",
    "__lne__", "__leng__", "__Len__", "__lem__",
})  # fmt: skip
_DATASETS = tuple(f"torch.utils.data.{name}" for name in ("Dataset", "IterableDataset"))


@rule("TRN007", Severity.ERROR, needs=(b"class",))
def misspelt_method(script: Script) -> Iterator[Finding]:
    """A method that torch calls by name is misspelt.

    `def foward` is a method like any other, and `torch.nn.Module` goes on to say that `forward` is
    not implemented; `def __int__` leaves a model without layers; a Dataset with `__length__` has no
    length.

    Nothing is said where the right name is there as well, in the class or in a base, where anything
    calls the method by the name that it has, and where a base class is not known.

    Bad:
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 1)

            def foward(self, x):  # TRN007
                return self.fc(x)
    Good:
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(4, 1)

            def forward(self, x):
                return self.fc(x)

    Fix safety: the fix renames a method that nothing calls.
    Source: the documentation of torch.nn.Module.forward and torch.utils.data.Dataset.
    """
    for cls in own_classes(script, "torch.nn.Module", *_DATASETS):
        if not script.whole:
            return
        for method in methods(cls):
            right = _meant(cls, method)
            if right is not None and not _is_called(script, method.name.value):
                yield _finding(script, cls, method, right)


def _meant(cls: Class, method: cst.FunctionDef) -> str | None:
    """The name that a method was to have."""
    name, module = method.name.value, "torch.nn.Module" in cls.roots()
    if method.decorators:
        return None
    if name in _INIT_SLIPS and "__init__" not in cls.members and _looks_like_init(method):
        return "__init__"
    if module:
        calls = cls.find("forward") is None and cls.find("__call__") is None
        return "forward" if calls and _is_slip(name, "forward") else None
    for slips, right in ((_GETITEM_SLIPS, "__getitem__"), (_LEN_SLIPS, "__len__")):
        if name in slips and cls.find(right) is None:
            return right
    return None


def _looks_like_init(method: cst.FunctionDef) -> bool:
    """It takes something, or calls `super().__init__`: no conversion to an integer does."""
    if len(list(parameters(method.params))) > 1:
        return True
    return any(
        isinstance(node, cst.Attribute)
        and node.attr.value == "__init__"
        and (dotted(node.value) is not None or isinstance(node.value, cst.Call))
        for node in walk(method.body)
    )


def _is_slip(name: str, right: str) -> bool:
    """One letter too many, too few, wrong or swapped; no digit, and no underscore at an end."""
    if name == right or name[-1] == "_" or name[0] == "_" or any(c.isdigit() for c in name):
        return False
    if name == f"{right}s" or len(name) < len(right) - 1 or len(name) > len(right) + 1:
        return False
    return name in _one_slip_from(right) or name.lower() == right


def _one_slip_from(word: str) -> set[str]:
    letters = "abcdefghijklmnopqrstuvwxyz"
    cuts = [(word[:index], word[index:]) for index in range(len(word) + 1)]
    missing = {left + right[1:] for left, right in cuts if right}
    swapped = {left + right[1] + right[0] + right[2:] for left, right in cuts if len(right) > 1}
    wrong = {left + one + right[1:] for left, right in cuts if right for one in letters}
    added = {left + one + right for left, right in cuts for one in letters}
    return missing | swapped | wrong | added


def _is_called(script: Script, name: str) -> bool:
    """Whether the script mentions the name anywhere but where it is defined."""
    defined = sum(
        isinstance(node, cst.FunctionDef) and node.name.value == name
        for node in walk(script.module)
    )
    return mentions(script.module)[name] > defined


def _finding(script: Script, cls: Class, method: cst.FunctionDef, right: str) -> Finding:
    name = method.name.value
    edit = script.edit(method.name, right)
    caller = "Python" if right == "__init__" else "torch"
    return found(
        script.location(method.name),
        f"`{cls.name}.{name}` is never called: {caller} looks for `{right}`",
        hint=f"name it `{right}`",
        fix=None if edit is None else Fix(f"Rename it `{right}`", (edit,), safe=True),
    )
