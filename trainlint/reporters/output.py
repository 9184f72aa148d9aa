"""Where a report goes: standard output, or a file that is written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import click

from trainlint.atomic import write_atomically
from trainlint.lint.problem import Problem
from trainlint.reporters.streams import is_closed
from trainlint.reporters.text import render_problem

STDOUT = "-"

_CODE = (".py", ".pyw", ".ipynb")


class OutputError(click.ClickException):
    """The report cannot be written."""

    exit_code = 2

    def show(self, file: object = None) -> None:
        """Print the message, as it is."""
        click.echo(self.message, err=True)


@dataclass(frozen=True)
class Rendered:
    """A report's text: its body, and for people a last line, which follows the problems.

    `last_beside` keeps the last line out of a body that other programs read.
    """

    body: str
    last: str = ""
    human: bool = False
    last_beside: bool = False


def prepare(output_file: str | None, inputs: Iterable[str] = ()) -> None:
    """Refuse a file that could not or must not be written, before anything is checked.

    `inputs` are the paths that were named. Makes the file's folder.
    """
    if output_file is None or output_file == STDOUT:
        if is_closed():
            raise OutputError("error: standard output is closed\n  help: write to a file with -o")
        return
    target = os.path.realpath(output_file)
    if os.path.isdir(target) or not output_file:
        raise _refusal(output_file, "is a folder" if output_file else "is empty")
    if would_lose(output_file, inputs):
        raise _refusal(output_file, LOST)
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
    except OSError as error:
        raise _refusal(output_file, (error.strerror or str(error)).lower()) from None


LOST = "would be lost: it is no report, but code or what is to be checked"


def would_lose(path: str, inputs: Iterable[str]) -> bool:
    """Whether a path that is to be written is what was named to be read, or code of any kind."""
    real = os.path.realpath(path)
    if not os.path.isfile(real):
        return False
    return real.endswith(_CODE) or real in map(os.path.realpath, inputs)


def publish(
    rendered: Rendered,
    problems: Iterable[Problem],
    output_file: str | None,
    *,
    color: bool,
    piped: bytes | None = None,
) -> None:
    """Print the report, or write it; problems go to standard error unless the report has them.

    Beside a file they go there in any case: nobody looks into a file to learn why a check failed.
    `piped` is mended standard input: it goes to standard output, and the report beside it.
    """
    if piped is not None:
        click.echo(piped, nl=False)
    told = _encodable("".join(f"{render_problem(problem)}\n" for problem in problems))
    body, last = _encodable(rendered.body), _encodable(rendered.last)
    if output_file is None or output_file == STDOUT:
        click.echo(body, nl=False, color=color, err=piped is not None)
        click.echo(told if rendered.human else "", nl=False, err=True)
        click.echo(last, nl=False, color=color, err=piped is not None or rendered.last_beside)
        return
    beside = rendered.last_beside
    text = body if beside else body + (told if rendered.human else "") + last
    click.echo(told + (last if beside else ""), nl=False, err=True)
    try:
        write_atomically(output_file, text.encode("utf-8"))
    except OSError as error:
        raise _refusal(output_file, (error.strerror or str(error)).lower()) from None


def _encodable(text: str) -> str:
    """The names of files that are no text, in the way in which JSON writes them too."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _refusal(path: str, why: str) -> OutputError:
    return OutputError(f"error: --output-file {path}: {why}\n  help: name a file, or - for stdout")
