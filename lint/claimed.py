"""Claims of other things than clipping: whether anything in the code may do what is said.

Comments are loose talk, so any word of the code that may stand for the thing said counts as doing
it: here, and in each file of the project that is imported.
"""

from __future__ import annotations

import re
import tokenize
from collections.abc import Callable, Iterator

import libcst as cst

from trainlint.finding import Finding
from trainlint.lint.gaps import has_gaps
from trainlint.lint.lower.known import is_library
from trainlint.lint.lower.subjects import Subject
from trainlint.lint.lower.syntax import dotted
from trainlint.lint.lower.values import Value
from trainlint.lint.model import Claim, Event, Script
from trainlint.lint.neighbours import is_imported
from trainlint.lint.rule import found
from trainlint.lint.tokens import NO_TOKENS, tokens
from trainlint.lint.training import Update, held_by, texts_of, updates

WHERE = {
    "comment": "the comment says",
    "docstring": "the docstring says",
    "option": "the option says",
    "prose": "the text says",
}
# Packages that train nothing and set nothing up: besides those that the model knows.
_PLAIN = frozenset({
    "IPython", "absl", "albumentations", "datasets", "fire", "gym", "gymnasium", "h5py", "ipdb",
    "joblib", "librosa", "networkx", "nltk", "numba", "plotly", "prettytable", "requests",
    "skimage", "soundfile", "spacy", "tensorboard", "termcolor", "tiktoken", "tokenizers",
    "torchinfo", "visdom", "wandb",
})  # fmt: skip
_LAYOUT = (tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT)
_STARTS = (*_LAYOUT, tokenize.NEWLINE, tokenize.ENCODING)
_STRINGS = (tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING))
# The sources of one file's project that are still read in whole.
_MOST_FILES = 50


def findings(
    script: Script,
    subject: Subject,
    said: str,
    hint: str,
    *,
    does: Callable[[Script], bool] | None = None,
    veto: Callable[[Claim, Update], bool] | None = None,
) -> Iterator[Finding]:
    """The first claim of a subject in a code that trains, where nothing does what it says.

    `does` tells whether anything in the code may do it, in place of the subject's own words;
    `veto`, whether what surrounds one update does it after all, or the claim is of other code.
    """
    claims = [claim for claim in script.claims if claim.what == subject.what]
    if not claims or not _is_seen_whole(script):
        return
    if may_do(script, subject) if does is None else does(script):
        return
    if is_imported(script):
        return
    for claim in claims:
        update = next((one for one in updates(script) if _speaks_of(script, claim, one)), None)
        if update is None or (veto is not None and veto(claim, update)):
            continue
        yield found(
            claim.location,
            f"{WHERE[claim.where]} that {said}, but nothing in the code does that",
            related=[(update.step.site, "the weights move here")],
            hint=hint,
        )
        return  # one mistake, however often it is described


# -- what is seen --------------------------------------------------------------------------------


def _is_seen_whole(script: Script) -> bool:
    """Whether all that runs can be read, and nothing that cannot is handed what trains."""
    if not script.whole or not script.complete or script.names.dynamic or has_gaps(script):
        return False
    if any(not block.used for block in script.source.blocks):
        return False
    if not all(_is_read(script, name, set()) for name in _imported(script)):
        return False
    return len(texts_of(script)) <= _MOST_FILES and not _hands_over(script)


def _imported(script: Script) -> Iterator[str]:
    for node in script.names.imports:
        if isinstance(node, cst.Import):
            yield from (dotted(alias.name) or "?" for alias in node.names)
        else:
            module = dotted(node.module) if node.module is not None else ""
            yield "." * len(node.relative) + (module or "")


def _is_read(script: Script, name: str, seen: set[str]) -> bool:
    """Whether a module is a known library's, or a file of the project that imports only such."""
    if not name.startswith(".") and (is_library(name) or name.split(".")[0] in _PLAIN):
        return True
    project, path = script.project, script.source.path
    file = project.find(name, path) if project is not None and name.strip(".") else None
    if file is None or file in seen:
        return file is not None
    seen.add(file)
    other = project.script(file) if project is not None else None
    if other is None or other.names.dynamic:
        return False
    return all(_is_read(other, one, seen) for one in _imported(other))


def _hands_over(script: Script) -> bool:
    """Whether code that cannot be seen is handed something that is trained, or that trains."""
    held = {update.optimizer for update in updates(script)}
    held |= {event.result for event in script.events("make") if _kind(event) == "module"}
    return any(_takes(event, held) for event in script.events("opaque"))


def _kind(event: Event) -> str:
    return getattr(event.result, "kind", "")


def _takes(event: Event, held: set[Value]) -> bool:
    return any(held_by(arg.value, one) for arg in event.args for one in held)


def _speaks_of(script: Script, claim: Claim, update: Update) -> bool:
    """Whether a claim stands in code that the script itself runs, and that leads to an update."""
    if update.trace.root is not script.module:
        return False
    if claim.scope is None:
        return True
    for event in update.trace.events:
        for function in event.functions:
            if claim.scope in script.names.around(function):
                return True
    return False


# -- the words of a code -------------------------------------------------------------------------


def may_do(script: Script, subject: Subject, *, strings: bool = True) -> bool:
    """Whether any word of the code, here or in a file that it imports, may do what is said."""
    return any(
        text is None or subject.does.search(text) is not None
        for text in all_words(script, strings=strings)
    )


def all_words(script: Script, *, strings: bool = True) -> Iterator[str | None]:
    """The words of the code, and of each file of the project that it imports."""
    yield words_of(script.source.code, strings=strings)
    for data in texts_of(script)[1:]:
        yield words_of(data.decode("utf-8", "replace"), strings=strings)


def words_of(code: str, *, strings: bool = True) -> str | None:
    """A code on one line each statement: no comments, docstrings or imports; None if unreadable."""
    lines: list[list[str]] = [[]]
    before = tokenize.NEWLINE
    try:
        for token in tokens(code):
            if token.type == tokenize.NEWLINE:
                lines.append([])
            elif token.type not in _LAYOUT and not (
                token.type in _STRINGS and (before in _STARTS or not strings)
            ):
                lines[-1].append(token.string)
            before = token.type
    except NO_TOKENS:
        return None
    return "\n".join(" ".join(line) for line in lines if not _imports(line))


def _imports(line: list[str]) -> bool:
    """Whether a statement imports: a name that is only imported does nothing."""
    return bool(line) and line[0] in ("import", "from") and "as" not in line


def binds_again(code: str, name: re.Pattern[str]) -> bool:
    """Whether names that match are given values in more than one statement."""
    given = 0
    for line in code.splitlines():
        target, equals, _ = line.partition(" = ")
        given += bool(equals and "(" not in target and name.search(target))
    return given > 1
