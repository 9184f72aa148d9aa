"""Reads the modules of one release of torch as text: names, parameters, marks of deprecation."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

# The modules that scripts take names from; of the others, only that they are there.
_READ = re.compile(
    r"torch(\.(_C(\._VariableFunctions)?|_six|_tensor_docs|_torch_docs|_jit_internal|functional|hub"
    r"|random|serialization|storage|tensor|types|sparse|special|linalg|fft|func|nested|compiler"
    r"|accelerator|mps|xpu|multiprocessing|profiler|export|onnx|quantization|testing|jit|signal"
    r"|signal\.windows|cpu(\.amp)?|cuda(\.\w+)*|amp(\.\w+)*|backends(\.\w+)*|autograd(\.\w+)?"
    r"|distributions(\.\w+)?|optim(\.\w+)?|_linalg_utils|_lobpcg|_tensor|nn(\.\w+)?|nn\.(modules|utils|parallel|attention)\.\w+"
    r"|distributed(\.\w+)?|distributed\.\w+\.(api|\w*fsdp\w*)|utils"
    r"|utils\.(checkpoint|dlpack|ffi|model_zoo|tensorboard|mobile_optimizer|data)"
    r"|utils\.data\.(dataset|dataloader|sampler|distributed)"
    r"))?"
)
_MARKS = {"deprecated", "_deprecated", "typing_extensions.deprecated"}
_IN_DOCS = re.compile(
    r"\.\. warning::\s+((?:(?:This|The) (?:function|method|class)|torch\.[\w.]+|:\w+:`[^`]*`)\s+"
    r"is\s+(?:now\s+)?deprecated\b(?:[^\n]+\n){1,4})"
)
_PLAIN = {"property", "staticmethod", "classmethod", "contextmanager", "wraps"} | _MARKS


@dataclass
class Module:
    """What one module binds."""

    name: str
    read: bool = True
    bound: set[str] = field(default_factory=set)
    own: set[str] = field(default_factory=set)  # defined here, or taken from elsewhere in torch
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)  # from where, called what
    stars: list[str] = field(default_factory=list)
    dead: set[str] = field(default_factory=set)  # functions that do nothing but raise
    exported: set[str] | None = None
    parameters: dict[str, set[str] | None] = field(default_factory=dict)
    deprecated: dict[str, str] = field(default_factory=dict)


def read_modules(folder: Path) -> Iterator[Module]:
    """The modules of an unpacked wheel."""
    for path in sorted((folder / "torch").rglob("*.py*")):
        parts = path.relative_to(folder).with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        if path.suffix not in (".py", ".pyi") or ".include." in name or "_inductor" in name:
            continue
        if path.suffix == ".pyi" and path.with_suffix(".py").exists():
            continue
        if _READ.fullmatch(name):
            yield _read(name, path, is_package=parts[-1] == "__init__")
        else:
            yield Module(name, read=False)


def _read(name: str, path: Path, *, is_package: bool) -> Module:
    module = Module(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except SyntaxError:
            return module  # a template
    package = name if is_package else name.rpartition(".")[0]
    _Reader(module, package, is_stub=path.suffix == ".pyi").block(tree.body)
    if name == "torch" or "__getattr__" in module.bound:
        # Whatever the module's source spells as a string, it may give out.
        texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
        module.bound.update(text for text in texts if isinstance(text, str) and text.isidentifier())
    return module


class _Reader:
    def __init__(self, module: Module, package: str, *, is_stub: bool) -> None:
        self.module = module
        self.is_stub = is_stub
        self.package = package

    def block(self, body: list[ast.stmt]) -> None:
        for statement in body:
            self.statement(statement)

    def statement(self, node: ast.stmt) -> None:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            self.definition(node)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                self.module.bound.add(alias.asname or alias.name.split(".")[0])
        elif isinstance(node, ast.ImportFrom):
            self.import_from(node)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                self.assign(target, node.value)
        elif isinstance(node, (ast.AnnAssign, ast.AugAssign)):
            self.assign(node.target, node.value)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            self.call(node.value)
        else:
            for part in ("body", "orelse", "finalbody"):
                self.block(getattr(node, part, []))
            for handler in getattr(node, "handlers", []):
                self.block(handler.body)
            if isinstance(node, ast.For):
                self.assign(node.target, None)

    def import_from(self, node: ast.ImportFrom) -> None:
        source = node.module or ""
        if node.level:
            parts = self.package.split(".")
            base = parts[: len(parts) - node.level + 1]
            source = ".".join([*base, *filter(None, [node.module])])
        for alias in node.names:
            if alias.name == "*":
                self.module.stars.append(source)
                continue
            self.module.bound.add(alias.asname or alias.name)
            self.module.imports[alias.asname or alias.name] = (source, alias.name)
            if source.split(".")[0] == "torch" and source != "torch":
                self.module.own.add(alias.asname or alias.name)

    def assign(self, target: ast.expr, value: ast.expr | None) -> None:
        if isinstance(target, (ast.Tuple, ast.List)):
            for part in target.elts:
                self.assign(part, None)
        if isinstance(target, ast.Attribute) and ast.unparse(target.value) == self.module.name:
            self.module.bound.add(target.attr)
        if not isinstance(target, ast.Name):
            return
        if target.id == "__all__":
            texts = [n.value for n in ast.walk(value or target) if isinstance(n, ast.Constant)]
            self.module.exported = (self.module.exported or set()) | {
                text for text in texts if isinstance(text, str)
            }
            return
        self.define(target.id)
        if self.module.name == "torch":
            self.module.own.discard(target.id)  # the variables of a script that runs once
        if isinstance(value, ast.Call) and ast.unparse(value.func) == "_make_deprecate":
            right = ast.unparse(value.args[0])
            self.module.deprecated[target.id] = f"use `{self.module.name}.{right}`"

    def call(self, node: ast.Call) -> None:
        """`add_docstr(torch.abs, …)`, `__all__.extend([…])`."""
        name = ast.unparse(node.func)
        if name == "add_docstr" and len(node.args) > 1:
            target = ast.unparse(node.args[0])
            self.module.own.add(target)
            words = _from_docstring(_text(node.args[1]))
            if words is not None:
                self.module.deprecated[target] = words
        elif name.startswith("__all__.") and self.module.exported is not None:
            texts = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant)]
            self.module.exported |= {text for text in texts if isinstance(text, str)}

    def define(self, name: str) -> None:
        self.module.bound.add(name)
        self.module.own.add(name)

    def definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        self.define(node.name)
        words = deprecation(node)
        function: ast.AST | None = node
        if isinstance(node, ast.ClassDef):
            methods = {n.name: n for n in node.body if isinstance(n, ast.FunctionDef)}
            function = methods.get("__init__")
            maker = function or methods.get("__new__")
            if words is None and maker is not None:
                words = deprecation(maker)
        if words is not None:
            self.module.deprecated[node.name] = words
        if isinstance(function, ast.FunctionDef):
            # The parser of functions in C++ takes other names than their stubs say.
            stub = self.is_stub
            self.module.parameters[node.name] = None if stub else _parameters(function)
        if isinstance(node, ast.FunctionDef) and only_raises(node):
            self.module.dead.add(node.name)


def deprecation(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> str | None:
    """The words of `@deprecated(…)`, of a function's first warning, or of its manual."""
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) in _MARKS:
            return _plain(_text(decorator.args[0])) if decorator.args else ""
    if isinstance(node, ast.ClassDef):
        return None
    for statement in node.body[:3]:
        value = statement.value if isinstance(statement, ast.Expr) else None
        if isinstance(value, ast.Call) and ast.unparse(value.func) == "warnings.warn":
            text = _text(value.args[0])
            if "deprecated" in text and (node.name in text or "function" in text):
                return _plain(text)
    return _from_docstring(ast.get_docstring(node) or "")


def only_raises(node: ast.FunctionDef) -> bool:
    """Whether a function is an error message and nothing else, and says that it was removed."""
    body = [one for one in node.body if not _is_docstring(one)]
    return len(body) == 1 and isinstance(body[0], ast.Raise) and "removed" in _text(body[0])


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _from_docstring(text: str) -> str | None:
    mark = _IN_DOCS.search(text)
    return _plain(mark[1]) if mark is not None else None


def _text(node: ast.AST) -> str:
    parts = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant)]
    return "".join(part for part in parts if isinstance(part, str))


def _plain(text: str) -> str:
    text = re.sub(r":(?:\w+:)?\w+:`~?([^`<]*?)(?:\s*<[^>]*>)?`", r"`\1`", text)
    text = re.sub(r"\s+", " ", text.replace("``", "`")).strip()
    return re.split(r"(?<=[a-z)`])\.\s", text)[0].rstrip(". ")


def _parameters(node: ast.FunctionDef) -> set[str] | None:
    """The keywords that a function takes; None where it may take any."""
    plain = all(
        ast.unparse(d.func if isinstance(d, ast.Call) else d).split(".")[-1] in _PLAIN
        or ast.unparse(d) in ("torch.no_grad()", "_use_grad_for_differentiable")
        for d in node.decorator_list
    )
    if node.args.kwarg is not None or not plain:
        return None
    return {arg.arg for arg in (*node.args.args, *node.args.kwonlyargs)} - {"self", "cls"}
