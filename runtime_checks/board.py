"""A TensorBoard log of a run: its curves, the steps of its findings, and its trials beside it.

`write_board` is called by the parent, which never imports torch: the writing is done by this file
as a process of its own, `python -m trainlint.runtime_checks.board RECORD LOGDIR FINDINGS
[NAME RECORD ...]`.
"""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from trainlint.finding import Finding
from trainlint.runtime_checks.curves import RunCurve, run_curves
from trainlint.runtime_checks.run import Run, read_record
from trainlint.runtime_checks.table import final_loss, peak_norm

PLAIN = "plain"
TIMEOUT = 300  # seconds; importing torch on a cold disk takes most of them


class BoardError(Exception):
    """The log could not be written; the text says why, in one line."""


def write_board(
    record: Path,
    log_dir: Path,
    findings: Iterable[Finding],
    trials: Sequence[tuple[str, Path]] = (),
) -> None:
    """Write the log of one record, and of each trial's; raises BoardError.

    The sub-runs are called `plain` and by the trials' names. What an earlier call wrote there is
    superseded.
    """
    # A folder of its own: beside the user's files, an import could get theirs.
    with tempfile.TemporaryDirectory(prefix="trainlint-") as folder:
        marks = Path(folder, "findings.json")
        marks.write_text(json.dumps(finding_marks(findings)), encoding="utf-8")
        paths = [str(path.absolute()) for path in (record, log_dir)]
        more = [part for name, path in trials for part in (name, str(path.absolute()))]
        command = [sys.executable, "-m", __spec__.name, *paths, str(marks), *more]
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BoardError(f"the TensorBoard log was not written: {error}") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise BoardError(f"the TensorBoard log was not written: {last}")


def finding_marks(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Code, text and step of each finding; one without a known step stands at 0."""
    marks = []
    for finding in findings:
        steps = [fact.step for fact in finding.evidence if fact.step is not None]
        text = f"{finding.location}: {finding.message}"
        marks.append({"code": finding.code, "text": text, "step": min(steps, default=0)})
    return marks


def write_run(
    run: Run, folder: Path, marks: Sequence[dict[str, Any]] = (), trial: str = PLAIN
) -> None:
    """Write one sub-run with torch's own SummaryWriter.

    Curves, the norms of all tensors as a histogram for each step that was looked at, findings as
    text, and the trial beside its results, so that runs compare under HPARAMS. The layout puts
    what matters first under CUSTOM SCALARS.
    """
    from torch.utils.tensorboard import SummaryWriter

    # purge_step makes TensorBoard drop what older files in this folder say from there on.
    writer = SummaryWriter(str(folder), purge_step=0)
    curves = run_curves(run)
    try:
        for curve in curves:
            for step, value in curve.points:
                writer.add_scalar(_tag(curve), value, step)
        writer.add_custom_scalars(layout([_tag(curve) for curve in curves]))
        _write_histograms(writer, run)
        for mark in marks:
            writer.add_scalar(f"findings/{mark['code']}", 1.0, mark["step"])
            writer.add_text(f"findings/{mark['code']}", mark["text"], mark["step"])
        _write_hparams(writer, run, trial)
    finally:
        writer.close()


def _tag(curve: RunCurve) -> str:
    return curve.tag.replace(" ", "_")


def layout(tags: Sequence[str]) -> dict[str, dict[str, list[Any]]]:
    """Charts in the order in which they matter: losses together, norms as they were and clipped."""
    panels: dict[str, list[Any]] = {}
    for title, start in (
        ("losses", "loss/"),
        ("gradient norm", "gradient_norm/"),
        ("update of the weights", "update_ratio"),
        ("learning rate", "learning_rate"),
    ):
        known = [tag for tag in tags if tag.startswith(start)]
        if known:
            panels[title] = ["Multiline", known]
    return {"training": panels}


def _write_histograms(writer: Any, run: Run) -> None:
    """By optimizer, the gradient norm of each of its tensors, as a power of ten."""
    import numpy

    for number, info in run.optimizers.items():
        tag = f"gradient_norm_of_tensors/{info.name}_{number}"
        for step in run.steps_of(number):
            sizes = [math.log10(n) for n in step.norms or () if n > 0 and math.isfinite(n)]
            if len(sizes) > 1:
                writer.add_histogram(tag, numpy.array(sizes), step.step)


def _write_hparams(writer: Any, run: Run, trial: str) -> None:
    """The trial and its value, beside what came of it."""
    from torch.utils.tensorboard.summary import hparams

    name, _, value = trial.partition("=")
    given: dict[str, Any] = {"trial": name}
    if value:
        given["value"] = float(value)
    results = {"result/training_loss": final_loss(run), "result/peak_norm": peak_norm(run)}
    known = {tag: value for tag, value in results.items() if value is not None}
    for line in hparams(given, known):
        writer.file_writer.add_summary(line)
    for tag, number in known.items():
        writer.add_scalar(tag, number, len(run.steps))


def folder_name(trial: str) -> str:
    """A trial's name as a folder's: `lr=0.1` stays, what a file system may refuse goes."""
    return re.sub(r"[^\w.=+-]+", "_", trial).strip(".") or "trial"


def main(arguments: Sequence[str]) -> None:
    """Write the record, then each trial's."""
    record, log_dir, findings, *trials = arguments
    marks = json.loads(Path(findings).read_text(encoding="utf-8"))
    write_run(read_record(record), Path(log_dir, PLAIN), marks)
    for name, path in zip(trials[::2], trials[1::2], strict=True):
        write_run(read_record(path), Path(log_dir, folder_name(name)), trial=name)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (ImportError, OSError) as problem:
        sys.exit(str(problem))
