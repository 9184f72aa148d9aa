"""A script's own classes: what their methods read of `self`, and what can have set it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import libcst as cst

from trainlint.lint.lower.syntax import children, dotted, parameters, statements, string_of
from trainlint.lint.lower.values import Class
from trainlint.lint.mentions import every, set_attributes, walk
from trainlint.lint.model import Event, Script

_CATCHING = ("AttributeError", "Exception", "BaseException")
_NAMING = frozenset({"setattr", "add_module", "register_module", "register_buffer",
                     "register_parameter", "__setattr__", "object.__setattr__"})  # fmt: skip
_OPEN = frozenset({"__dict__", "__getattr__", "__getattribute__", "__slots__"})


def own_classes(script: Script, *roots: str) -> Iterator[Class]:
    """The classes of this file that derive from these and from nothing else that is unseen.

    A decorator or metaclass could add anything to a class: such classes are left out.
    """
    for cls in script.classes:
        if cls.script in (None, script) and all(_is_plain(one.node) for one in cls.mro()):
            found = set(cls.roots())
            if found & set(roots) and found <= {*roots, "builtins.object"}:
                yield cls


def _is_plain(node: cst.ClassDef | None) -> bool:
    return node is not None and not node.decorators and not node.keywords


def methods(cls: Class) -> Iterator[cst.FunctionDef]:
    """The functions that a class's body defines."""
    body = cls.node.body if cls.node is not None else None
    for statement in statements(body) if body is not None else ():
        if isinstance(statement, cst.FunctionDef):
            yield statement


def init_of(cls: Class) -> cst.FunctionDef | None:
    """The `__init__` that a class's body defines."""
    return next((one for one in methods(cls) if one.name.value == "__init__"), None)


def set_by_init(script: Script, cls: Class) -> Iterator[Event]:
    """The attributes that a class's own `__init__` sets on its instance."""
    init = init_of(cls)
    own = own_name(init) if init is not None else None
    for event in script.events("set_attribute") if own is not None else ():
        if event.functions[-1:] == (init,) and event.receiver_text == own:
            yield event


def own_name(method: cst.FunctionDef) -> str | None:
    """What a method calls its instance; None for static and class methods."""
    decorators = {dotted(one.decorator) for one in method.decorators}
    first = next(parameters(method.params), None)
    if first is None or decorators & {"staticmethod", "classmethod"}:
        return None
    return first.name.value


@lru_cache(maxsize=32)  # asked once for each attribute
def reads_of_self(cls: Class) -> tuple[cst.Attribute, ...]:
    """The attributes that a class's methods read of their instance, those of a `try` left out."""
    return tuple(_reads_of_self(cls))


def _reads_of_self(cls: Class) -> Iterator[cst.Attribute]:
    for method in methods(cls):
        name = own_name(method)
        stored = set(set_attributes(method))
        tried = _tried(method)
        for node in _walk_own(method.body, name) if name is not None else ():
            if not isinstance(node, cst.Attribute) or node in stored or node in tried:
                continue
            if isinstance(node.value, cst.Name) and node.value.value == name:
                yield node


def _walk_own(node: cst.CSTNode, name: str) -> Iterator[cst.CSTNode]:
    """A method's nodes, without the classes in it and the functions that take another `self`."""
    yield node
    for child in children(node):
        if isinstance(child, cst.ClassDef):
            continue
        if isinstance(child, (cst.FunctionDef, cst.Lambda)):
            taken = {param.name.value for param in parameters(child.params)}
            if name in taken:
                continue
        yield from _walk_own(child, name)


def _tried(method: cst.FunctionDef) -> set[cst.CSTNode]:
    """What stands in a `try` that reckons with an attribute missing."""
    found: set[cst.CSTNode] = set()
    for node in walk(method):
        if isinstance(node, cst.Try) and any(_catches(handler) for handler in node.handlers):
            found.update(walk(node.body))
        elif isinstance(node, cst.Del):
            found.update(walk(node))
    return found


def _catches(handler: cst.ExceptHandler) -> bool:
    caught = handler.type
    if caught is None:
        return True
    parts = [e.value for e in caught.elements] if isinstance(caught, cst.Tuple) else [caught]
    return any(dotted(part) in _CATCHING for part in parts)


def attributes_set(module: cst.CSTNode) -> set[str] | None:
    """All attributes that anything in a tree may set; None where their names can be anything.

    Whose attributes they are is not asked: `x.fc = ...` sets `fc` of whatever `x` may be. A string
    counts as well, since it may be an attribute's name.
    """
    found: set[str] = {node.attr.value for node in set_attributes(module)}
    if any(node.attr.value in _OPEN for node in every(module, cst.Attribute)):
        return None
    if any(node.name.value in _OPEN for node in every(module, cst.FunctionDef)):
        return None
    if any(_names_freely(node) for node in every(module, cst.Call)):
        return None
    strings = (*every(module, cst.SimpleString), *every(module, cst.ConcatenatedString))
    found |= {string_of(node) or "" for node in strings}
    targets = [one.target for one in every(module, cst.For)]
    targets += [one.target for one in every(module, cst.CompFor)]
    for target in targets:
        found |= _attributes_in(target)
    for named in every(module, cst.AsName):
        found |= _attributes_in(named.name)
    return found


def _attributes_in(node: cst.CSTNode) -> set[str]:
    return {one.attr.value for one in walk(node) if isinstance(one, cst.Attribute)}


def _names_freely(node: cst.Call) -> bool:
    """`setattr` and its like with a name that is no plain string; `vars(self)`."""
    name = dotted(node.func) or ""
    if name in ("vars", "exec", "eval"):
        return bool(node.args)
    last = name.split(".")[-1] if name else ""
    if isinstance(node.func, cst.Attribute):
        last = node.func.attr.value
    if last not in _NAMING:
        return False
    position = 1 if isinstance(node.func, cst.Name) else 0
    keyed = [arg.value for arg in node.args if arg.keyword and arg.keyword.value == "name"]
    plain = [arg.value for arg in node.args if arg.keyword is None]
    value = keyed[0] if keyed else plain[position] if len(plain) > position else None
    return string_of(value) is None


def class_names(cls: Class) -> set[str]:
    """What the class's own body binds, annotations without a value included."""
    found = set(cls.members)
    body = cls.node.body if cls.node is not None else None
    for statement in statements(body) if body is not None else ():
        if isinstance(statement, cst.AnnAssign) and isinstance(statement.target, cst.Name):
            found.add(statement.target.value)
        elif isinstance(statement, (cst.FunctionDef, cst.ClassDef)):
            found.add(statement.name.value)
        elif isinstance(statement, cst.If):
            found |= {one.name.value for one in walk(statement) if isinstance(one, cst.FunctionDef)}
            found |= {
                one.target.value
                for one in walk(statement)
                if isinstance(one, cst.AnnAssign) and isinstance(one.target, cst.Name)
            }
    return found
