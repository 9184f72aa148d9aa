"""A rule's or detector's docstring, read as its manual.

    First line, the mistake in one sentence.

    Why it matters, over any number of paragraphs.

    Bad:
        code   # TRN101
    Good:
        code

    Fix safety: what the fix can change, for a rule that offers one.
    Source: where the mistake is described: documentation, an issue, a paper.

Each `Bad:` and `Good:` opens an indented block of Python; there may be several. `# TRN101` marks
the line on which the finding is expected. The tests run every example.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from dataclasses import dataclass

_SECTION = re.compile(r"^(Bad|Good)(?: \((?P<title>[^)]*)\))?:\s*$")
_CODE = re.compile(r"(`[^`]*`)")
_SPECIAL = re.compile(r"[*<\[\]]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_SMALL = re.compile(r"(?:the|an?|it) ")
_NOTE = re.compile(r"^(Fix safety|Source): ")


@dataclass(frozen=True)
class Example:
    """One `Bad` or `Good` block of a manual."""

    bad: bool
    title: str
    code: str

    @property
    def heading(self) -> str:
        """`Bad` or `Good`, and the title if there is one."""
        return ("Bad" if self.bad else "Good") + (f" ({self.title})" if self.title else "")

    @property
    def shown(self) -> str:
        """The code for a reader, the markers of the tests taken out."""
        return re.sub(r"\s*# (?:TRN|RUN)\d{3}\b.*", "", self.code).rstrip()


@dataclass(frozen=True)
class Manual:
    """What a rule or detector says of itself."""

    summary: str
    explanation: str
    examples: tuple[Example, ...]
    fix_safety: str = ""
    source: str = ""

    def text(self) -> str:
        """The manual as plain text, the markers of the tests taken out."""
        parts = [self.summary, self.explanation]
        for example in self.examples:
            parts.append(f"{example.heading}:\n\n{textwrap.indent(example.shown, '    ')}")
        parts += [textwrap.fill(f"{name}: {note}", 100) for name, note in self.notes]
        return "\n\n".join(part for part in parts if part) + "\n"

    def markdown(self, level: int = 2) -> str:
        """The manual as Markdown, its examples under headings of a level."""
        mark = "#" * level
        parts = [_escaped(self.summary), _escaped(self.explanation)]
        for example in self.examples:
            parts.append(f"{mark} {example.heading}\n\n```python\n{example.shown}\n```")
        for name, note in self.notes:
            sentence = note[0].upper() + note[1:] if _SMALL.match(note) else note
            parts.append(f"{mark} {name}\n\n{_escaped(textwrap.fill(sentence, 100))}")
        return "\n\n".join(part for part in parts if part) + "\n"

    @property
    def notes(self) -> list[tuple[str, str]]:
        """What is said of the fix and of the source, where something is."""
        notes = (("Fix safety", self.fix_safety), ("Source", self.source))
        return [(name, note) for name, note in notes if note]


def _escaped(text: str) -> str:
    """Prose as Markdown: what stands in backticks stays, the rest means itself."""
    pieces = _CODE.split(text)
    pieces[::2] = [_SPECIAL.sub(r"\\\g<0>", piece) for piece in pieces[::2]]
    return "".join(pieces)


def parse_manual(doc: str | None, owner: str) -> Manual:
    """Split a docstring into summary, explanation, examples, fix safety and source.

    Raises ValueError where there is no docstring, or an example is empty: a rule without a
    manual does not load.
    """
    if not doc:
        raise ValueError(f"{owner} has no docstring, and so no manual")
    lines = inspect.cleandoc(doc).splitlines()
    prose: list[str] = []
    examples: list[Example] = []
    notes: dict[str, str] = {}
    index = 1
    while index < len(lines):
        section, note = _SECTION.match(lines[index]), _NOTE.match(lines[index])
        if section is not None:
            code, index = _example(lines, index + 1)
            if not code.strip():
                raise ValueError(f"{owner} has an empty {section[1]} example")
            examples.append(Example(section[1] == "Bad", section["title"] or "", code))
        elif note is not None:
            text, index = _paragraph(lines, index)
            notes[note[1]] = text.removeprefix(note[0])
        else:
            prose.append(lines[index])
            index += 1
    explanation = "\n".join(prose).strip()
    return Manual(
        lines[0], explanation, tuple(examples), notes.get("Fix safety", ""), notes.get("Source", "")
    )


def _example(lines: list[str], index: int) -> tuple[str, int]:
    """The indented block from a line on, and the line after it."""
    start = index
    while index < len(lines) and (not lines[index].strip() or lines[index].startswith(" ")):
        index += 1
    return textwrap.dedent("\n".join(lines[start:index])).strip("\n") + "\n", index


def _paragraph(lines: list[str], index: int) -> tuple[str, int]:
    """The lines up to an empty one, another note or a section, as one line, and the line after."""
    start = index
    index += 1
    while index < len(lines) and lines[index].strip():
        if _NOTE.match(lines[index]) or _SECTION.match(lines[index]):
            break
        index += 1
    return " ".join(line.strip() for line in lines[start:index]), index
