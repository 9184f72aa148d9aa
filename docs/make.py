"""Writes the parts of the documentation that are made: `make docs`, or `python docs/make.py`.

The README's output blocks are what the commands in them print, its table is made from the rules'
own docstrings, and so are the pages in `docs/rules/`. A test holds that writing them again changes
nothing but measured numbers.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

from trainlint.commands.configuration import schema_text
from trainlint.commands.manuals import rules_table
from trainlint.registry import load_all
from trainlint.reporters.json_schema import output_schema
from trainlint.reporters.manuals import index_page, page

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
RULES = ROOT / "docs" / "rules"
SCHEMA = ROOT / "docs" / "trainlint.schema.json"
OUTPUT_SCHEMA = ROOT / "docs" / "output.schema.json"


def output_of(command: str) -> str:
    """What a `trainlint …` command prints, run in the repository's root."""
    _, *arguments = shlex.split(command)
    done = subprocess.run(
        [sys.executable, "-m", "trainlint", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=False,
        text=True,
    )
    return done.stdout


def filled(text: str, name: str, content: str) -> str:
    """A text whose part between `<!-- name -->` and `<!-- /name -->` is the content."""
    pattern = re.compile(rf"(<!-- {name}\b[^>]*-->\n).*?(<!-- /{name} -->)", re.DOTALL)
    new, count = pattern.subn(lambda found: found[1] + content + found[2], text)
    if count != 1:
        raise ValueError(f"{count} parts are called {name}, not one")
    return new


def part(text: str, name: str) -> str:
    """What stands between `<!-- name -->` and `<!-- /name -->`."""
    found = re.search(rf"<!-- {name}\b[^>]*-->\n(.*?)<!-- /{name} -->", text, re.DOTALL)
    if found is None:
        raise ValueError(f"no part is called {name}")
    return found[1]


def command_in(block: str) -> str:
    """The command that a block of output shows, after its `$`."""
    found = re.search(r"^\$ (trainlint .*)$", block, re.MULTILINE)
    if found is None:
        raise ValueError("a block of output shows no command")
    return found[1]


def block(text: str) -> str:
    """A block of output made again: what its command prints, the script's own output left out."""
    command = command_in(text)
    printed = output_of(command)
    outcome = re.search(r"^\d+ optimizer steps? in ", printed, re.MULTILINE)
    shown = printed[outcome.start() :] if outcome else printed
    return f"```console\n$ {command}\n{shown.strip()}\n```\n"


def readme() -> str:
    """The README as it should be."""
    text = README.read_text(encoding="utf-8")
    text = filled(text, "check-output", block(part(text, "check-output")))
    text = filled(text, "run-output", block(part(text, "run-output")))
    return filled(text, "rules", rules_table(load_all()))


def pages() -> dict[Path, str]:
    """The pages of the rules and detectors, and their index, as they should be."""
    entries = load_all()
    made = {RULES / f"{entry.code}.md": page(entry) for entry in entries}
    return {**made, RULES / "README.md": index_page(entries)}


def output_schema_text() -> str:
    """The schema of the JSON output, as it stands in its file."""
    return json.dumps(output_schema(), indent=1) + "\n"


def write_pages() -> None:
    """Write the pages, and take away those of rules that are gone."""
    RULES.mkdir(exist_ok=True)
    made = pages()
    for path in set(RULES.glob("*.md")) - made.keys():
        path.unlink()
    for path, text in made.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_pages()
    SCHEMA.write_text(schema_text(), encoding="utf-8")
    OUTPUT_SCHEMA.write_text(output_schema_text(), encoding="utf-8")
    README.write_text(readme(), encoding="utf-8")
