"""Command-line options: which are declared, and whether all that reads them can be seen.

The parsed options are followed by name, as a whole: through assignments, `vars`, returns and the
parameters of the script's own functions. Where they are handed to code that is not seen, anything
may read any of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from trainlint.lint.binding_order import home_of
from trainlint.lint.lower.scopes import Scope, Use
from trainlint.lint.lower.syntax import children, dotted, parameters, string_of
from trainlint.lint.mentions import every, walk
from trainlint.lint.model import Script

_PARSING = frozenset({"parse_args", "parse_known_args", "parse_intermixed_args"})
# Calls that hand the options on, as they are or in another shape.
_SHAPES = frozenset({"vars", "dict", "list", "tuple", "sorted", "copy", "deepcopy", "Namespace",
                     "SimpleNamespace", "OrderedDict", "EasyDict", "enumerate"})  # fmt: skip
# Calls that write the options down.
_RECORDS = frozenset({
    "print", "pprint", "pformat", "str", "repr", "format", "len", "isinstance", "type", "bool",
    "info", "debug", "warning", "log", "write", "writelines", "dump", "dumps", "safe_dump", "join",
    "add_text", "add_hparams", "log_hyperparams", "log_params", "save", "ljust", "center", "append",
    "rjust", "id", "wandb.init", "wandb.config.update",
})  # fmt: skip
_BY_NAME = frozenset({"getattr", "hasattr", "setattr", "delattr"})
_STARTERS = frozenset(
    {"spawn", "Process", "Thread", "submit", "partial", "launch", "start_processes"}
)
# Functions of libraries that take all options and are known to read these.
_KNOWN_READERS = {
    "resolve_data_config": frozenset({
        "input_size", "img_size", "in_chans", "chans", "mean", "std", "interpolation", "crop_pct",
        "crop_mode", "crop_border_pixels", "dataset_type", "train_crop_mode", "test_input_size",
    }),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Option:
    """One `add_argument` with a flag: the flag, and the attribute that it becomes."""

    node: cst.Call
    flag: cst.BaseExpression
    text: str
    dest: str
    named: bool  # `dest=` says so


def options(script: Script) -> Iterator[Option]:
    """The options that the script declares with plain names."""
    for node in every(script.module, cst.Call):
        if isinstance(node.func, cst.Attribute):
            option = _option(node) if node.func.attr.value == "add_argument" else None
            if option is not None:
                yield option


def _option(node: cst.Call) -> Option | None:
    flags = [(arg.value, string_of(arg.value) or "") for arg in node.args if arg.keyword is None]
    named = {arg.keyword.value: arg.value for arg in node.args if arg.keyword is not None}
    if not flags or any(not text.startswith("-") for _, text in flags):
        return None
    action = named.get("action")
    if any(arg.star for arg in node.args) or (
        action and string_of(action) in (None, "version", "help")
    ):
        return None
    long = [one for one in flags if one[1].startswith("--")] or flags
    value, text = long[0]
    dest = string_of(named["dest"]) if "dest" in named else text.lstrip("-").replace("-", "_")
    return Option(node, value, text, dest, "dest" in named) if dest and len(dest) > 1 else None


class Whole:
    """Follows the parsed options; `open` once anything unseen gets hold of all of them."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.parents: dict[cst.CSTNode, cst.CSTNode] = {}
        self.functions: dict[str, list[tuple[cst.FunctionDef, int]]] = {}
        self.calls: list[cst.Call] = []
        self.attributes: dict[str, list[cst.Attribute]] = {}
        self.binders: dict[cst.CSTNode, tuple[Scope, str]] = {}
        self.uses: dict[str, list[Use]] = {}
        self.read: set[str] = set()
        self.open = False
        self.parsed = False
        self._seen: set[object] = set()
        self._index()
        for call in self.calls:
            if isinstance(call.func, cst.Attribute) and call.func.attr.value in _PARSING:
                self.parsed = True
                self.follow(call)

    def _index(self) -> None:
        names = self.script.names
        for scope in (names.module, *names.scopes):
            for name, nodes in scope.bindings.items():
                self.binders.update(dict.fromkeys(nodes, (scope, name)))
        for use in names.uses:
            self.uses.setdefault(use.name, []).append(use)
        for node in walk(self.script.module):
            for child in children(node):
                self.parents[child] = node
            if isinstance(node, cst.Call):
                self.calls.append(node)
            elif isinstance(node, cst.Attribute):
                self.attributes.setdefault(node.attr.value, []).append(node)
        for node in every(self.script.module, cst.FunctionDef):
            self._index_function(node)

    def _index_function(self, node: cst.FunctionDef) -> None:
        owner = self.parents.get(self.parents[node])
        method = isinstance(owner, cst.ClassDef)
        entry = (node, 1 if method else 0)
        self.functions.setdefault(node.name.value, []).append(entry)
        if isinstance(owner, cst.ClassDef) and node.name.value == "__init__":
            self.functions.setdefault(owner.name.value, []).append(entry)

    # -- expressions ---------------------------------------------------------------------------

    def follow(self, node: cst.CSTNode) -> None:
        """See what becomes of an expression that is all options."""
        if node in self._seen or self.open:
            return
        self._seen.add(node)
        parent = self.parents.get(node)
        if isinstance(parent, cst.Arg):
            self._argument(parent, self.parents[parent])
        elif isinstance(parent, (cst.Assign, cst.AnnAssign, cst.NamedExpr)):
            self._assigned(node, parent)
        elif isinstance(parent, cst.Attribute):
            self._attribute(parent)
        elif isinstance(parent, cst.Subscript):
            self.open |= parent.value is node and not _constant_key(parent)
        elif isinstance(parent, cst.Return):
            self._returned(parent)
        elif isinstance(parent, (cst.For, cst.CompFor)):
            self._iterated(parent)
        elif isinstance(parent, _HANDING_UP):
            self.follow(parent)
        elif not isinstance(parent, _HARMLESS):
            is_text = isinstance(parent, cst.BinaryOperation) and isinstance(
                parent.operator, cst.Modulo
            )
            self.open |= not is_text

    def _assigned(self, node: cst.CSTNode, parent: cst.CSTNode) -> None:
        if isinstance(parent, cst.Assign):
            for target in parent.targets:
                self.bind(target.target)
        elif isinstance(parent, (cst.AnnAssign, cst.NamedExpr)) and parent.target is not node:
            self.bind(parent.target)
        if isinstance(parent, cst.NamedExpr):
            self.follow(parent)

    def bind(self, target: cst.CSTNode) -> None:
        """All that reads this name or attribute may read the options."""
        if isinstance(target, (cst.Tuple, cst.List)):
            for element in target.elements:
                self.bind(element.value)
        elif isinstance(target, cst.Attribute):
            for node in self.attributes.get(target.attr.value, []):
                if not isinstance(self.parents.get(node), cst.AssignTarget):
                    self.follow(node)
        elif target in self.binders:
            self._bind_name(*self.binders[target])
        else:
            self.open = True

    def _bind_name(self, scope: Scope, name: str) -> None:
        if (scope, name) in self._seen:
            return
        self._seen.add((scope, name))
        for use in self.uses.get(name, []):
            if home_of(use) is scope:
                self.follow(use.node)

    def _attribute(self, node: cst.Attribute) -> None:
        name, parent = node.attr.value, self.parents.get(node)
        if name == "__dict__":
            self.follow(node)
        elif isinstance(parent, cst.Call) and parent.func is node:
            if name in ("copy", "items", "values", "keys", "_get_kwargs"):
                self.follow(parent)
            elif name in ("get", "pop", "setdefault"):
                self.open |= not parent.args or string_of(parent.args[0].value) is None

    def _returned(self, node: cst.Return) -> None:
        function: cst.CSTNode | None = node
        while function is not None and not isinstance(function, cst.FunctionDef):
            function = self.parents.get(function)
        name = function.name.value if isinstance(function, cst.FunctionDef) else ""
        calls = [call for call in self.calls if (dotted(call.func) or "").split(".")[-1] == name]
        self.open |= not calls
        for call in calls:
            self.follow(call)

    def _iterated(self, node: cst.For | cst.CompFor) -> None:
        self.bind(node.target)
        if isinstance(node, cst.CompFor):
            comprehension = self.parents.get(node)
            if comprehension is not None:
                self.follow(comprehension)

    # -- calls ---------------------------------------------------------------------------------

    def _argument(self, arg: cst.Arg, call: cst.CSTNode) -> None:
        if not isinstance(call, cst.Call):
            self.open = True
            return
        full = dotted(call.func) or ""
        last = call.func.attr.value if isinstance(call.func, cst.Attribute) else full
        if last in _RECORDS or full in _RECORDS:
            return
        if full in _BY_NAME:
            self.open |= len(call.args) < 2 or string_of(call.args[1].value) is None
        elif last in _SHAPES and last not in self.functions:
            self.follow(call)
        elif last in _KNOWN_READERS:
            self.read |= _KNOWN_READERS[last]
        elif last in self.functions:
            for function, first in self.functions[last]:
                self._hand_over(arg, call, function, first)
        elif last in _STARTERS:
            self._start(call)
        elif arg.star == "**" and self._is_variable(call.func):
            self._hand_to_any()
        else:
            self.open = True

    def _hand_over(
        self, arg: cst.Arg, call: cst.Call, function: cst.FunctionDef, first: int
    ) -> None:
        """Into the parameter that takes the argument."""
        params, rest = function.params, function.params.star_kwarg
        plain = [*params.posonly_params, *params.params]
        named = {param.name.value: param for param in parameters(params)}
        taker: cst.Param | None = None
        if arg.star == "**":
            taker = rest
            if taker is None:
                return
        elif arg.keyword is not None:
            taker = named.get(arg.keyword.value, rest)
        else:
            position = [one for one in call.args if one.keyword is None].index(arg) + first
            if position < len(plain):
                taker = plain[position]
            elif isinstance(params.star_arg, cst.Param):
                taker = params.star_arg
        if taker is None or arg.star == "*":
            self.open = True
        else:
            self.bind(taker)

    def _start(self, call: cst.Call) -> None:
        """`spawn(main, args=(args,))`: every parameter of the function that is started."""
        started = [
            function
            for node in walk(call)
            if isinstance(node, cst.Name)
            for function, _ in self.functions.get(node.value, [])
        ]
        self.open |= not started
        for function in started:
            for param in parameters(function.params):
                self.bind(param)

    def _is_variable(self, node: cst.CSTNode) -> bool:
        """A name that the script assigns or takes as a parameter: one of its own functions."""
        if not isinstance(node, cst.Name):
            return False
        use = next((one for one in self.uses.get(node.value, []) if one.node is node), None)
        home = home_of(use) if use is not None else None
        bound = home.bindings.get(node.value, []) if home is not None else []
        return bool(bound) and not any(isinstance(one, cst.ImportAlias) for one in bound)

    def _hand_to_any(self) -> None:
        for entries in self.functions.values():
            for function, _ in entries:
                if function.params.star_kwarg is not None:
                    self.bind(function.params.star_kwarg)


def _constant_key(node: cst.Subscript) -> bool:
    key = node.slice[0].slice
    return isinstance(key, cst.Index) and string_of(key.value) is not None


_HANDING_UP = (
    cst.Element, cst.Tuple, cst.List, cst.DictElement, cst.StarredDictElement, cst.Dict,
    cst.BooleanOperation, cst.IfExp, cst.StarredElement, cst.ListComp, cst.GeneratorExp,
    cst.SetComp, cst.DictComp,
)  # fmt: skip
_HARMLESS = (
    cst.Expr, cst.If, cst.While, cst.Assert, cst.Comparison, cst.ComparisonTarget,
    cst.UnaryOperation, cst.FormattedStringExpression, cst.AssignTarget, cst.Del,
)  # fmt: skip
