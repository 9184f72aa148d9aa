"""reST: code blocks and prose, with their lines. Nothing in the text is run or included."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from docutils import nodes
from docutils.core import publish_doctree
from docutils.parsers.rst import Directive, directives, roles

from trainlint.lint.documents import Listing, find_lines
from trainlint.lint.source import Prose, split_lines

_CODE = frozenset({"code", "code-block", "sourcecode", "ipython", "testcode"})
_TEXT = frozenset(
    """
    note tip hint important warning caution danger attention admonition seealso topic sidebar
    container compound epigraph highlights pull-quote only versionadded versionchanged
    """.split()
)
_QUIET = {
    "report_level": 5,
    "halt_level": 5,
    "warning_stream": None,
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "_disable_config": True,
}


class _AnyDirective(Directive):
    """A directive of whatever name: code is kept, admonitions are prose, others are passed over."""

    has_content = True
    optional_arguments = 100
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        if self.name in _CODE:
            default = "python" if self.name in ("ipython", "testcode") else ""
            language = self.arguments[0] if self.arguments else default
            block = nodes.literal_block("\n".join(self.content), "\n".join(self.content))
            # Without a language, Sphinx takes a block as Python; we ask whether it looks so.
            block["language"] = language
            return [block]
        if self.name in _TEXT:
            group = nodes.container()
            self.state.nested_parse(self.content, self.content_offset, group)
            return [group]
        return []


class _AnyOptions(dict[str, Any]):
    """Accepts every option."""

    def __getitem__(self, key: str) -> Any:
        return directives.unchanged


_AnyDirective.option_spec = _AnyOptions()


def _any_role(
    name: str, rawtext: str, text: str, lineno: int, inliner: Any, options: Any = None,
    content: Any = None,
) -> tuple[list[nodes.Node], list[nodes.system_message]]:  # fmt: skip
    return [nodes.literal(rawtext, text)], []


@contextmanager
def _everything_known() -> Iterator[None]:
    """Let docutils know any directive and role: projects bring their own, Sphinx's above all."""
    directive, role = directives.directive, roles.role
    known: Any = directives
    known.directive = lambda *_: (_AnyDirective, [])
    known = roles
    known.role = lambda *_: (_any_role, [])
    try:
        yield
    finally:
        directives.directive, roles.role = directive, role


def shown(text: str) -> str:
    """What a reader of a reST text sees, and how it is laid out."""
    tree = _tree(text)
    for node in list(tree.findall(nodes.comment)):
        node.parent.remove(node)
    return str(tree.pformat())


def _tree(text: str) -> nodes.document:
    with _everything_known():
        return publish_doctree(text, settings_overrides=_QUIET)


def read_parts(text: str) -> tuple[list[Listing], list[Prose]]:
    """The code blocks and the prose of a reST text, in order."""
    original = split_lines(text)
    tree = _tree(text)
    listings: list[Listing] = []
    prose: list[Prose] = []
    line = 0
    for node in tree.findall():
        if isinstance(node, (nodes.literal_block, nodes.doctest_block)):
            lines = split_lines(node.astext())
            places = find_lines(lines, original, line)
            if places:
                language = "pycon" if isinstance(node, nodes.doctest_block) else ""
                listings.append(Listing(node.get("language", language), tuple(lines), places))
                line = places[-1].line
        elif isinstance(node, (nodes.paragraph, nodes.title)) and node.rawsource:
            places = find_lines(split_lines(node.rawsource), original, line)
            if places:
                prose.append(Prose(node.rawsource, _kind(node), places[0].line, _section(node)))
                line = places[0].line - 1
    return listings, prose


def _kind(node: nodes.Element) -> str:
    if isinstance(node, nodes.title):
        return "heading"
    kinds: Sequence[tuple[type[nodes.Element], str]] = (
        (nodes.list_item, "list"),
        (nodes.definition, "list"),
        (nodes.entry, "table"),
        (nodes.block_quote, "quote"),
    )
    parent = node.parent
    while parent is not None:
        for cls, kind in kinds:
            if isinstance(parent, cls):
                return kind
        parent = parent.parent
    return "paragraph"


def _section(node: nodes.Node) -> tuple[str, ...]:
    titles: list[str] = []
    parent = node.parent
    while parent is not None:
        if isinstance(parent, nodes.section) and isinstance(parent[0], nodes.title):
            titles.insert(0, parent[0].astext())
        parent = parent.parent
    return tuple(titles)
