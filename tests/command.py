"""Calling the command as a user does: in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "fixtures"


def trainlint(
    *arguments: str | Path,
    cwd: Path | None = None,
    stdin: bytes = b"",
    before: Callable[[], None] | None = None,
    **env: str,
) -> subprocess.CompletedProcess[str]:
    """Run `python -m trainlint`, and `before` in its process first; its output as text."""
    done = subprocess.run(
        [sys.executable, "-m", "trainlint", *map(str, arguments)],
        cwd=cwd or ROOT,
        input=stdin,
        capture_output=True,
        timeout=120,
        preexec_fn=before,
        env={**os.environ, "TRAINLINT_NO_CACHE": "1", **env},
        check=False,
    )
    return subprocess.CompletedProcess(
        done.args,
        done.returncode,
        done.stdout.decode("utf-8", "replace"),
        done.stderr.decode("utf-8", "replace"),
    )


def findings_of(done: subprocess.CompletedProcess[str]) -> list[tuple[str, int]]:
    """(code, line) of each finding in a JSON output."""
    result: dict[str, Any] = json.loads(done.stdout)
    return [(one["code"], one["location"]["line"]) for one in result["findings"]]
