"""Scripts that are written, watched and judged: what the tests of whole runs share."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from trainlint.finding import Finding
from trainlint.runtime_checks.detection import Judgement, judge
from trainlint.runtime_checks.run import Run
from trainlint.runtime_checks.runner import Options, observe

PRELUDE = """
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(0)
torch.set_num_threads(1)
"""
OFFSET = PRELUDE.count("\n")


@dataclass(frozen=True)
class Told:
    """A watched run and what was made of it."""

    run: Run
    judgement: Judgement

    @property
    def codes(self) -> list[str]:
        """Codes of all findings."""
        return [finding.code for finding in self.judgement.findings]

    def found(self, code: str) -> Finding:
        """The one finding of that code."""
        (finding,) = [one for one in self.judgement.findings if one.code == code]
        return finding

    def line(self, code: str) -> int:
        """The line of that finding, counted without the prelude."""
        return self.found(code).location.line - OFFSET


def write(folder: Path, code: str) -> Path:
    """The script, after the prelude; its first line is line 1 of `Told.line`."""
    script = folder / "train.py"
    script.write_text(PRELUDE + textwrap.dedent(code).lstrip("\n"))
    return script


def watch(folder: Path, code: str, **options: object) -> Told:
    """Write a script, watch it, judge it."""
    run = observe(
        write(folder, code),
        [],
        Options(**options),  # type: ignore[arg-type]
        record=folder / "record.jsonl",
    )
    assert not [note for note in run.notes if note.startswith("not measured")]
    return Told(run, judge(run))


Watch = Callable[..., Told]
