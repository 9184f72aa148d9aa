"""The zoo: scripts in `fixtures/zoo` that are healthy, or ill as their own lines say."""

from __future__ import annotations

import json
import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from command import FIXTURES, trainlint

ZOO = FIXTURES / "zoo"
TESTS = Path(__file__).parent
# From which the scripts begin, as `TRAINLINT_ZOO_SEEDS=0,1,2` names them.
SEEDS = os.environ.get("TRAINLINT_ZOO_SEEDS", "0").split(",")
# Every so many-th is tried: the whole zoo takes longer than a gate may. `make zoo` tries all.
SHARE = int(os.environ.get("TRAINLINT_ZOO_SHARE", "6"))
_MARK = re.compile(r"# RUN\d{3}[RUN\d\s#]*$")
_CODE = re.compile(r"RUN\d{3}")


def scripts(kind: str) -> list[str]:
    """Names of the scripts that are `healthy`, or `ill`."""
    return sorted(path.stem for path in (ZOO / kind).glob("*.py"))


def tried(kind: str) -> list[str]:
    """Those of them that are tried: by their names, so that a new one changes no other's turn."""
    return [name for name in scripts(kind) if zlib.crc32(name.encode()) % SHARE == 0]


def marks(path: Path) -> list[tuple[str, int]]:
    """(code, line) of each finding that a script's lines ask for."""
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    found = ((_CODE.findall(mark[0]), at) for at, line in lines if (mark := _MARK.search(line)))
    return sorted((code, at) for codes, at in found for code in codes)


def selection(wanted: list[tuple[str, int]]) -> str:
    """What `--select` asks for: no static rules, which would take a finding as their own proof.

    Advice must be asked for by name.
    """
    return ",".join(dict.fromkeys(["RUN", *(code for code, _ in wanted)]))


@dataclass(frozen=True)
class Watched:
    """What `trainlint run` says of a script."""

    result: dict[str, Any]
    output: str

    @property
    def found(self) -> list[tuple[str, int]]:
        """(code, line) of each finding that is a warning or an error."""
        return [(code, line) for code, line, severity in self._all if severity != "info"]

    def found_of(self, wanted: list[tuple[str, int]]) -> list[tuple[str, int]]:
        """The same, with those of the notes that are wanted."""
        told = [(code, line) for code, line, _ in self._all]
        return [one for one in told if one in self.found or one in wanted]

    @property
    def _all(self) -> list[tuple[str, int, str]]:
        told = self.result["findings"]
        return sorted((one["code"], one["location"]["line"], one["severity"]) for one in told)

    @property
    def unmeasured(self) -> list[str]:
        """Notes of probes that failed."""
        return [note for note in self._notes if note.startswith("not measured")]

    @property
    def is_whole(self) -> bool:
        """Whether the script ran to its end, and saw all of its batches."""
        cut = any("cut short" in note for note in self._notes)
        return self.result["run"]["outcome"] == "finished" and not cut

    @property
    def _notes(self) -> list[str]:
        notes: list[str] = self.result["run"]["notes"]
        return notes

    def why(self) -> str:
        """What it says in words, for a test that fails."""
        told = [f"{one['code']}: {one['message']}" for one in self.result["findings"]]
        return "\n".join([*told, self.output])


def watch_script(path: Path, seed: str = "0", *options: str, digest: Path | None = None) -> Watched:
    """Run a script through the command line, in a process of its own, as a user does."""
    env = {"ZOO_SEED": seed, "OMP_NUM_THREADS": "1"}
    if digest is not None:
        folders = (str(TESTS / "digest"), os.environ.get("PYTHONPATH"))
        env["PYTHONPATH"] = os.pathsep.join(filter(None, folders))
        env |= {"ZOO_SCRIPT": str(path), "ZOO_DIGEST": str(digest)}
    bounds = [*(options or ("--max-steps", "200")), *_own_options(path)]
    command: list[str | Path] = ["run", path, *bounds, "--output-format", "json"]
    done = trainlint(*command, cwd=None, stdin=b"", before=None, **env)
    assert done.stdout.startswith("{"), done.stderr
    return Watched(json.loads(done.stdout), done.stderr)


def _own_options(path: Path) -> list[str]:
    """Options that a script asks for on a line of its own."""
    asked = re.search(r"^# zoo: (.*)$", path.read_text(encoding="utf-8"), re.M)
    return asked[1].split() if asked else []
