"""The command `trainlint`.

Exit codes: 0 nothing found, 1 findings, 2 something could not be checked, 130 interrupted.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from trainlint._version import __version__
from trainlint.cache.folder import FOLDER
from trainlint.reporters import FORMATS
from trainlint.reporters.streams import reporting_streams

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

F = TypeVar("F", bound=Callable[..., Any])

CODES = "CODES"


def _split(context: click.Context, option: click.Parameter, value: Sequence[str]) -> list[str]:
    """`TRN1,TRN201` and repeated options, as one list."""
    return [code.strip() for part in value for code in part.split(",") if code.strip()]


def _codes(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The codes that a shell offers, each with what it stands for."""
    from click.shell_completion import CompletionItem

    from trainlint.registry import load_all

    begun = incomplete.upper()
    entries = [entry for entry in load_all() if entry.code.startswith(begun)]
    return [CompletionItem(entry.code, help=entry.manual.summary) for entry in entries]


def _number(context: click.Context, option: click.Parameter, value: float | None) -> float | None:
    """No bound holds for NaN, which compares with nothing."""
    if value is not None and math.isnan(value):
        raise click.BadParameter("nan is no number of seconds", context, option)
    return value


def _shared(command: F) -> F:
    """The options that `check` and `run` have in common."""
    options = [
        click.option("--select", multiple=True, metavar=CODES, callback=_split,
                     shell_complete=_codes,
                     help="Report only these codes, or codes that begin so (TRN2); ALL for all."),
        click.option("--ignore", multiple=True, metavar=CODES, callback=_split,
                     shell_complete=_codes,
                     help="Leave these codes out."),
        click.option("--extend-select", multiple=True, metavar=CODES, callback=_split,
                     shell_complete=_codes,
                     help="Report these codes as well."),
        click.option("--target-torch", metavar="RELEASE",
                     help="The oldest torch that the scripts must run on, such as 2.4."),
        click.option("--config", type=click.Path(), metavar="FILE",
                     help="Read this pyproject.toml or trainlint.toml instead of the nearest one."),
        click.option("--isolated", is_flag=True, help="Read no configuration file."),
    ]  # fmt: skip
    return _with(_output(command), options)


def _output(command: F) -> F:
    """The options of what tells findings."""
    options = [
        click.option("--output-format", type=click.Choice(FORMATS),
                     default="text", show_default=True,
                     help="For people, in one line each, or for programs."),
        click.option("-o", "--output-file", metavar="FILE",
                     help="Write the report here, whole or not at all; - is standard output."),
    ]  # fmt: skip
    return _with(command, options)


def _with(command: F, options: Sequence[Callable[[F], F]]) -> F:
    for option in reversed(options):
        command = option(command)
    return command


class _Commands(click.Group):
    """Ctrl-C ends with the exit code that a shell gives it, whenever it comes.

    A standard output that cannot be written ends with one message.
    """

    def main(self, *args: Any, **kwargs: Any) -> Any:
        with reporting_streams():
            return super().main(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise SystemExit(130) from None


class _RunCommand(click.Command):
    """What looks like an option of ours may be meant for the script."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            hint = f"{error.message.rstrip('.')}: the script's own options follow `--`"
            raise click.UsageError(hint, ctx) from None


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "-V", "--version", prog_name="trainlint")
def main() -> None:
    """Find the mistakes in PyTorch training scripts: by reading them, and by watching them train.

    Exit codes: 0 nothing found, 1 findings, 2 something could not be checked.
    """


@main.command()
@click.argument("paths", nargs=-1, type=click.Path(), metavar="[PATHS]...")
@click.option("--fix/--no-fix", help="Mend what a safe fix can mend, in place.")
@click.option("--unsafe-fixes/--no-unsafe-fixes",
              help="Count fixes that may change what the code does as fixes too.")  # fmt: skip
@click.option("--diff", is_flag=True, help="Show what --fix would change, and write nothing.")
@click.option("--fix-only", is_flag=True,
              help="Mend as --fix does, and leave untold what is left.")  # fmt: skip
@click.option("--show-fixes", is_flag=True,
              help="Say what was mended, by file and rule.")  # fmt: skip
@click.option("--add-ignore", is_flag=True,
              help="Write a suppression for each finding, in place.")  # fmt: skip
@click.option("--stdin-filename", metavar="FILE",
              help="The file that standard input stands for.")  # fmt: skip
@click.option("--statistics", is_flag=True,
              help="Say how often each code was found, not where.")  # fmt: skip
@click.option("--exclude", "--extend-exclude", multiple=True, metavar="PATTERN",
              help="Leave out what matches.")  # fmt: skip
@click.option("--baseline", type=click.Path(), metavar="FILE",
              help="Leave out the findings that this baseline holds.")  # fmt: skip
@click.option("--write-baseline", type=click.Path(), metavar="FILE",
              help="Write a baseline of all that is found, and report nothing.")  # fmt: skip
@click.option("--since", metavar="REV",
              help="Report only what stands on lines changed since this git revision.")  # fmt: skip
@click.option("--force-exclude", is_flag=True,
              help="Leave out what is excluded even where it is named.")  # fmt: skip
@click.option("--time-limit", type=click.FloatRange(0, 31_536_000), callback=_number,
              metavar="SECONDS",
              help="Leave off a file that takes more processor time than this, 60 s if not said; "
              "0 for any.")  # fmt: skip
@click.option("--exit-zero", "-e", is_flag=True,
              help="End with 0 even where something is found.")  # fmt: skip
@click.option("--exit-non-zero-on-fix", is_flag=True,
              help="End with 1 where something was mended, even if nothing is left.")  # fmt: skip
@click.option("--quiet", "-q", is_flag=True, help="Say what is found, and nothing else.")
@click.option("--silent", "-s", is_flag=True, help="Say nothing; the exit code tells.")
@click.option("--watch", "-w", is_flag=True,
              help="Check again whenever something changes, until Ctrl-C.")  # fmt: skip
@click.option("--show-files", is_flag=True, help="List the files that would be checked.")
@click.option("--show-settings", is_flag=True, help="Show the settings that would count.")
@click.option("-j", "--jobs", type=click.IntRange(min=0), default=0, metavar="N",
              help="Use at most N processes; else one per core, where that pays.")  # fmt: skip
@click.option("--no-cache", is_flag=True, envvar="TRAINLINT_NO_CACHE",
              help="Neither use nor keep what earlier checks found.")  # fmt: skip
@click.option("--cache-dir", type=click.Path(), default=FOLDER, metavar="FOLDER",
              show_default=True, envvar="TRAINLINT_CACHE_DIR",
              help="Keep it here.")  # fmt: skip
@_shared
def check(paths: tuple[str, ...], **options: Any) -> None:
    """Read scripts, notebooks, documents and folders, and say what is wrong in them.

    Never runs or imports what it reads. `-` is standard input; without PATHS, the working folder
    is checked.
    """
    from trainlint.commands.check import check_command
    from trainlint.commands.manner import MANNERS, Manner

    paths = _paths(paths, options["stdin_filename"])
    manner = Manner(**{name: options.pop(name) for name in MANNERS})
    shown = options.pop("show_files"), options.pop("show_settings")
    if any(shown):
        from trainlint.commands.showing import show_command

        _end(show_command(paths, *shown, **options))
    watch = options.pop("watch")
    check_once = partial(check_command, paths, manner=manner, **options)
    if watch:
        from trainlint.commands.watching import watch_command

        _end(watch_command(paths, check_once, manner, **options))
    _end(check_once())


@main.command(cls=_RunCommand)
@click.argument("script", type=click.Path())
@click.argument("arguments", nargs=-1, metavar="[-- ARGUMENTS]...")
@click.option("--max-steps", type=click.IntRange(min=1), default=300, show_default=True,
              help="Stop after this many optimizer steps.")  # fmt: skip
@click.option("--max-seconds", type=click.FloatRange(1, 604_800), default=60.0,
              show_default=True, callback=_number,
              help="Stop after this long, a week at most.")  # fmt: skip
@click.option("--device", metavar="DEVICE", type=click.Choice(["cpu"]),
              help="`cpu` hides the GPUs; without it, the script picks.")  # fmt: skip
@click.option("--trial", "trials", multiple=True, metavar="TRIAL",
              help="Run again with one change, from the same seeds, and compare: clip-norm=1.0, "
              "clip-value=0.5, spectral-norm, weight-norm, lr=0.1, lr-range, one-batch. May be "
              "repeated.")  # fmt: skip
@click.option("--try", "try_", is_flag=True,
              help="Run the trials that the findings call for.")  # fmt: skip
@click.option(
    "--whole-passes",
    is_flag=True,
    help="Never cut a training pass short, even if no epoch ends within the budget.",
)
@click.option(
    "--no-second-pass",
    "second_pass",
    flag_value=False,
    default=True,
    help="Do not run the script once more where numbers overflow, to find where that begins.",
)
@click.option("--log-dir", type=click.Path(path_type=Path), metavar="FOLDER",
              help="Leave a TensorBoard log here.")  # fmt: skip
@click.option("--html", type=click.Path(), metavar="FILE",
              help="Write the report as one page for a browser, charts included.")  # fmt: skip
@click.option("--save", "save_to", type=click.Path(path_type=Path), metavar="FOLDER",
              help="Keep the run here, for `trainlint report` and `compare`.")  # fmt: skip
@_shared
def run(script: str, arguments: tuple[str, ...], **options: Any) -> None:
    """Run SCRIPT for a short while under observation, and say what goes wrong as it trains.

    The script is run unmodified, as `__main__`, with ARGUMENTS as its own; it is also read, and
    the report says which of the findings the run confirms.

    Exit codes: 0 nothing found, 1 findings, 2 something could not be checked (it never trained, or
    took too few steps to judge), 130 interrupted.
    """
    from trainlint.commands.run import run_command

    _end(run_command(script, arguments, **options))


@main.command()
@click.argument("folder", type=click.Path(), metavar="RUN")
@_output
@click.option("--html", type=click.Path(), metavar="FILE",
              help="Write the report as one page for a browser, charts included.")  # fmt: skip
@click.option("--log-dir", type=click.Path(path_type=Path), metavar="FOLDER",
              help="Leave a TensorBoard log here.")  # fmt: skip
def report(folder: str, **options: Any) -> None:
    """Tell again of a run that `trainlint run --save RUN` kept, in any format.

    Exit codes are those of the run.
    """
    from trainlint.commands.saved import report_command

    _end(report_command(folder, **options))


@main.command()
@click.argument("before", type=click.Path())
@click.argument("after", type=click.Path())
@click.option("--output-format", type=click.Choice(["text", "json"]), default="text",
              show_default=True)  # fmt: skip
@click.option("--output-file", "-o", type=click.Path(), metavar="FILE",
              help="Write here instead of to standard output.")  # fmt: skip
def compare(before: str, after: str, **options: Any) -> None:
    """Set two runs that `trainlint run --save` kept side by side, before and after a change.

    Exit codes: 0 no finding is new, 1 some are, 2 a run could not be read.
    """
    from trainlint.commands.saved import compare_command

    _end(compare_command(before, after, **options))


@main.command()
@click.argument("code", shell_complete=_codes)
@click.option("--output-format", type=click.Choice(["text", "json", "markdown"]), default="text",
              show_default=True)  # fmt: skip
def explain(code: str, output_format: str) -> None:
    """Explain a rule or detector, with an example of the mistake and of the mended code."""
    from trainlint.commands.manuals import explain_command

    _end(explain_command(code, output_format))


@main.command()
@click.option("--output-format", type=click.Choice(["text", "json", "markdown"]), default="text",
              show_default=True)  # fmt: skip
def rules(output_format: str) -> None:
    """List the rules and detectors."""
    from trainlint.commands.manuals import rules_command

    _end(rules_command(output_format))


@main.command()
@click.option("--stdio", is_flag=True,
              help="Does nothing: editors add it, and there is no other way.")  # fmt: skip
def server(stdio: bool) -> None:
    """Serve an editor: the language server, over standard input and output.

    Started by the editor, not by hand. Needs `pip install 'torch-trainlint[lsp]'`.
    """
    from trainlint.commands.server import server_command

    _end(server_command())


@main.command()
@click.argument("path", type=click.Path(), default=os.curdir)
@click.option("--schema", is_flag=True, help="Print the JSON schema of a configuration instead.")
@click.option("--config", type=click.Path(), metavar="FILE",
              help="Read this file instead of the nearest one.")  # fmt: skip
def config(path: str, schema: bool, config: str | None) -> None:
    """Show the settings that count for PATH, and the file that they are from."""
    from trainlint.commands.configuration import config_command

    _end(config_command(path, config, schema=schema))


@main.command()
@click.option("--cache-dir", type=click.Path(), default=FOLDER, metavar="FOLDER",
              show_default=True, envvar="TRAINLINT_CACHE_DIR",
              help="The folder to delete.")  # fmt: skip
def clean(cache_dir: str) -> None:
    """Delete what earlier checks kept in the working folder."""
    from trainlint.commands.clean import clean_command

    _end(clean_command(cache_dir))


def _paths(paths: tuple[str, ...], stdin_filename: str | None) -> tuple[str, ...]:
    """The working folder where nothing is named; standard input where only that is."""
    if stdin_filename is None:
        return paths or (os.curdir,)
    if paths and "-" not in paths:
        raise click.UsageError("--stdin-filename names what is read from `-`, and no path is `-`")
    if not stdin_filename:
        raise click.BadParameter("an empty name", param_hint="--stdin-filename")
    return paths or ("-",)


def _end(status: int) -> None:
    raise SystemExit(status)
