"""A rule's or detector's docstring, read as its manual.

    First line, the mistake in one sentence.

    Why it matters, over any number of paragraphs.

    Bad:
        code   # TRN101
    Good:
        code

Each `Bad:` and `Good:` opens an indented block of Python; there may be several. `# TRN101` marks
the line on which the finding is expected. The tests run every example.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from dataclasses import dataclass

_SECTION = re.compile(r"^(Bad|Good)(?: \((?P<title>[^)]*)\))?:\s*$")


@dataclass(frozen=True)
class Example:
    """One `Bad` or `Good` block of a manual."""

    bad: bool
    title: str
    code: str


@dataclass(frozen=True)
class Manual:
    """What a rule or detector says of itself."""

    summary: str
    explanation: str
    examples: tuple[Example, ...]

    def text(self) -> str:
        """The manual as plain text, the markers of the tests taken out."""
        parts = [self.summary, self.explanation]
        for example in self.examples:
            title = f" ({example.title})" if example.title else ""
            code = re.sub(r"\s*# (?:TRN|RUN)\d{3}\b.*", "", example.code)
            head = "Bad" if example.bad else "Good"
            parts.append(f"{head}{title}:\n\n{textwrap.indent(code.rstrip(), '    ')}")
        return "\n\n".join(part for part in parts if part) + "\n"


def parse_manual(doc: str | None, owner: str) -> Manual:
    """Split a docstring into summary, explanation and examples.

    Raises ValueError where there is no docstring, or an example is empty: a rule without a
    manual does not load.
    """
    if not doc:
        raise ValueError(f"{owner} has no docstring, and so no manual")
    lines = inspect.cleandoc(doc).splitlines()
    prose: list[str] = []
    examples: list[Example] = []
    index = 1
    while index < len(lines):
        match = _SECTION.match(lines[index])
        index += 1
        if match is None:
            prose.append(lines[index - 1])
            continue
        block: list[str] = []
        while index < len(lines) and (not lines[index].strip() or lines[index].startswith(" ")):
            block.append(lines[index])
            index += 1
        code = textwrap.dedent("\n".join(block)).strip("\n") + "\n"
        if not code.strip():
            raise ValueError(f"{owner} has an empty {match[1]} example")
        examples.append(Example(match[1] == "Bad", match["title"] or "", code))
    return Manual(lines[0], "\n".join(prose).strip(), tuple(examples))
