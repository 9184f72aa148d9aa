"""Signs that a module's names come from elsewhere, or that its code never runs."""

from __future__ import annotations

import libcst as cst

from trainlint.lint.lower.syntax import children, constant_of, dotted, string_of

# Calls that can bind names that no reader sees; the second kind only without an argument.
_BINDERS = frozenset({"exec", "execfile", "globals"})
_NAMESPACES = frozenset({"vars", "locals"})
_MAGICS = frozenset({"magic", "run_line_magic", "run_cell_magic", "run_cell"})
_READERS = frozenset({"getattr", "hasattr", "dir", "vars"})
_EXITS = frozenset({"exit", "quit", "sys.exit", "os._exit", "os.abort"})
# A test that asks for one of these decides by version or by existence what may be used.
_GUARDS = ("sys.version_info", "sys.version", "six.PY2", "six.PY3", "PY2", "PY3", "TYPE_CHECKING",
           "typing.TYPE_CHECKING", "sys.platform", "os.name")  # fmt: skip
_CATCHING = ("NameError", "UnboundLocalError", "Exception", "BaseException")
_LEAVING = (cst.Return, cst.Raise, cst.Break, cst.Continue)


def may_bind(node: cst.Call) -> bool:
    """A call that can bind names in the module around it: `exec`, `globals`, IPython's `%run`."""
    if isinstance(node.func, cst.Name):
        name = node.func.value
        return name in _BINDERS or (name in _NAMESPACES and not node.args)
    if isinstance(node.func, cst.Attribute) and node.func.attr.value in _MAGICS:
        owner = node.func.value
        return isinstance(owner, cst.Call) and dotted(owner.func) == "get_ipython"
    return False


def hands_over_module(node: cst.BaseExpression, path: str) -> bool:
    """A call, its result thrown away, that is told which module this is: it may fill it.

    The module is named by `__name__`, or by a string that is the file's own dotted path.
    """
    if not isinstance(node, cst.Call) or isinstance(node.func, cst.Call):
        return False
    own = path.replace("\\", "/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    for arg in node.args:
        text = string_of(arg.value)
        if dotted(arg.value) == "__name__":
            return True
        if text is not None and "." in text and f".{own}".endswith(f".{text}"):
            return True
    return False


def is_own_module(node: cst.CSTNode) -> bool:
    """`sys.modules[__name__]`."""
    if not isinstance(node, cst.Subscript) or dotted(node.value) not in ("sys.modules", "modules"):
        return False
    key = node.slice[0].slice
    return isinstance(key, cst.Index) and dotted(key.value) == "__name__"


def only_reads(node: cst.Call) -> bool:
    """`getattr(sys.modules[__name__], …)` and the like: the module is asked, not filled."""
    return dotted(node.func) in _READERS and bool(node.args) and is_own_module(node.args[0].value)


def is_placeholder(node: cst.Set) -> bool:
    """`{{ name }}`: a template's, since Python can put no set into a set."""
    return len(node.elements) == 1 and isinstance(node.elements[0].value, (cst.Set, cst.Dict))


def leaves(statement: cst.CSTNode) -> bool:
    """A statement after which the rest of its block never runs."""
    if not isinstance(statement, cst.SimpleStatementLine):
        return False
    last = statement.body[-1]
    if isinstance(last, cst.Expr) and isinstance(last.value, cst.Call):
        return dotted(last.value.func) in _EXITS
    return isinstance(last, _LEAVING)


def catches_name_error(handler: cst.ExceptHandler | cst.ExceptStarHandler) -> bool:
    """A handler that a missing name would get to."""
    if handler.type is None:
        return True
    caught = handler.type
    names = [e.value for e in caught.elements] if isinstance(caught, cst.Tuple) else [caught]
    return any(dotted(n) in _CATCHING for n in names)


def is_guard(test: cst.CSTNode) -> bool:
    """A test on versions, or on whether a name exists."""
    if dotted(test) in _GUARDS:
        return True
    return any(is_guard(child) for child in children(test))


def is_never(test: cst.CSTNode) -> bool:
    """`False` or `0`."""
    literal, value = constant_of(test)
    return literal and not value
