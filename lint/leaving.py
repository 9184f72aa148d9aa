"""Ways out: whether a loop is left after an event, and whether what an event raises is caught."""

from __future__ import annotations

import libcst as cst

from trainlint.lint.lower.syntax import WAYS_OUT, children, statements
from trainlint.lint.mentions import every, walk
from trainlint.lint.model import Event, Loop, Site


def leaves_after(loop: Loop, event: Event) -> bool:
    """Whether a loop is left once an event has happened: `break` or `return` comes after it."""
    body = getattr(loop.site.node, "body", None)
    if not isinstance(body, cst.CSTNode):
        return False
    return any(bool(_left(body, site)) for site in (*event.path, event.site))


def _left(node: cst.CSTNode, site: Site) -> bool | None:
    """Whether a way out comes after a site; None where the site is not in the node."""
    if node is site.node:
        return False
    suite = isinstance(node, cst.BaseSuite)
    below = list(statements(node)) if isinstance(node, cst.BaseSuite) else list(children(node))
    for index, child in enumerate(below):
        left = _left(child, site)
        if left is not None:
            inner = isinstance(child, (cst.For, cst.While))
            out = suite and any(isinstance(one, WAYS_OUT) for one in below[index + 1 :])
            return out or (left and not inner)
    return None


def caught(event: Event) -> bool:
    """Whether an exception at an event is expected: under a `try`, or a `with` not of torch's."""
    if any(not context.name.startswith("torch.") for context in event.contexts):
        return True
    return any(_in_try(site) for site in (*event.path, event.site))


def _in_try(site: Site) -> bool:
    module = site.script.module
    tries: list[cst.Try | cst.TryStar] = [*every(module, cst.Try), *every(module, cst.TryStar)]
    return any(one.handlers and site.node in walk(one.body) for one in tries)
