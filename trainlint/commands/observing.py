"""The watched runs of one `trainlint run`: the plain one, and those of its trials."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from trainlint.commands.settings import SettingsError
from trainlint.runtime_checks.detection import judge
from trainlint.runtime_checks.origin import first_trouble, repeats
from trainlint.runtime_checks.progress import Progress
from trainlint.runtime_checks.record import Note
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.runner import Options, RunnerError, observe
from trainlint.runtime_checks.trials.choosing import called_for

_RUN_AGAIN = (
    "an exception followed a training pass that was cut short: the script was run again without"
    " cutting any, and this is that run"
)


@dataclass
class Observed:
    """A run, the trials beside it, and the files of their records.

    `not_run` are the trials that no run was made for, each with the reason.
    """

    run: Run
    records: list[tuple[str, Path]]
    trials: list[tuple[str, Run]] = field(default_factory=list)
    not_run: list[tuple[str, str]] = field(default_factory=list)
    interrupted: bool = False


@dataclass(frozen=True)
class Observer:
    """Runs one script, with its arguments, as often as it takes; records go to `folder`."""

    script: str
    arguments: Sequence[str]
    options: Options
    folder: Path
    quiet: bool  # standard output belongs to the result
    second_pass: bool = True  # look again where numbers that are none come from
    picks: bool = False  # the trials that the findings call for are run too

    def observe(self, trials: Sequence[str]) -> Observed:
        """The plain run, then each trial; none after an interruption, or where nothing trained.

        Raises SettingsError where the script cannot be run at all.
        """
        try:
            return self._observe(trials)
        except RunnerError as error:
            raise SettingsError(str(error)) from None

    def _observe(self, trials: Sequence[str]) -> Observed:
        options = replace(self.options, seeded=bool(trials) or self.picks)
        record = self.folder / "record.jsonl"
        run = self._watch(options, record)
        if _fell_over_a_cut(run):
            options = replace(options, whole_passes=True)
            record = self.folder / "whole.jsonl"
            run = self._watch(options, record)
            run.add(Note(_RUN_AGAIN))
        trouble = first_trouble(run) if self.second_pass and not is_interrupted(run) else None
        if trouble is not None:
            self._look_again(run, trouble, options)
        observed = Observed(run, [("", record)], interrupted=is_interrupted(run))
        if self.picks:
            codes = [finding.code for finding in judge(run).findings]
            trials = list(dict.fromkeys([*trials, *called_for(codes)]))
        for index, trial in enumerate(trials):
            reason = _why_not(observed)
            if reason is not None:
                observed.not_run.append((trial, reason))
                continue
            record = self.folder / f"trial{index}.jsonl"
            run = self._watch(replace(options, trial=trial), record)
            if is_interrupted(run):
                observed.interrupted = True
                observed.not_run.append((trial, "interrupted"))
            else:
                observed.trials.append((trial, run))
                observed.records.append((trial, record))
        return observed

    def _look_again(self, run: Run, step: int, options: Options) -> None:
        """Run the script once more, to just past a step, for where the trouble comes from."""
        look = replace(options, look_at=max(0, step - 1))
        again = self._watch(look, self.folder / "second.jsonl", loud=False)
        origin = again.origin
        if origin is not None:
            run.add(origin)
        same = repeats(run, again, step)
        run.add(Note(_second_look(step, same, origin is not None)))

    def _watch(self, options: Options, record: Path, loud: bool = True) -> Run:
        with Progress(options) as progress:
            return observe(
                Path(self.script),
                list(self.arguments),
                options,
                record=record,
                progress=progress,
                stdout=self._stdout(loud),
            )

    def _stdout(self, loud: bool) -> IO[Any] | int | None:
        """Where the script prints to: nowhere where it says the same again."""
        if not loud:
            return subprocess.DEVNULL
        return sys.stderr if self.quiet else None


def _second_look(step: int, same: bool, found: bool) -> str:
    what = f"the script was run again, to just past step {step}, and each operation looked at"
    how = "" if same else "; it did not repeat the first run"
    end = "" if found else "; no operation made a number that is none of numbers"
    return f"{what}{how}{end} (--no-second-pass leaves that out)"


def is_interrupted(run: Run) -> bool:
    """Whether Ctrl-C ended it."""
    return run.end is not None and run.end.reason == "interrupted"


def _fell_over_a_cut(run: Run) -> bool:
    """Whether it raised after a pass was cut short: perhaps because of it."""
    return bool(run.cuts) and run.raised is not None and run.raised.name is None


def _why_not(observed: Observed) -> str | None:
    """Why no trial is to be run now."""
    if observed.interrupted:
        return "not run: interrupted before"
    if not observed.run.steps:
        return "not run: the plain run reached no optimizer step"
    return None
