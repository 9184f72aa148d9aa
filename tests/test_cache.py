"""The cache: whatever changes, what is told is what a check without it tells."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from command import FIXTURES, trainlint
from deprived import drop_overrides

from trainlint.lint.witness import digest_of

FOLDER = ".trainlint_cache"

SHARED = """
import torch
def fit(loader, writer):
    for epoch in range(3):
        for i, x in enumerate(loader):
            writer.add_scalar("loss", x.mean(), {step})
"""
MAIN = """
import torch
from torch.utils.tensorboard import SummaryWriter
from {package} import fit
fit(torch.randn(5, 4, 3), SummaryWriter("a"))
"""
MODEL = """
import torch
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(2, 2)
    def forward(self, x):
        return x * self.scale
"""


def check(
    folder: Path,
    *arguments: str | Path,
    before: Callable[[], None] | None = None,
    kept_in: str = "",
) -> subprocess.CompletedProcess[str]:
    return trainlint(
        "check", ".", *arguments, cwd=folder, before=before,
        TRAINLINT_NO_CACHE="", TRAINLINT_CACHE_DIR=kept_in or FOLDER,
    )  # fmt: skip


def told(folder: Path, *arguments: str | Path) -> str:
    """What a check tells, which must be what one tells that knows nothing."""
    done = check(folder, *arguments)
    fresh = check(folder, "--no-cache", *arguments)
    assert (done.stdout, done.stderr) == (fresh.stdout, fresh.stderr)
    assert done.returncode == fresh.returncode
    assert stat.S_ISDIR((folder / FOLDER).stat().st_mode)
    return done.stdout


def kept(folder: Path) -> dict[str, dict[str, object]]:
    """What is kept about each file."""
    (file,) = (folder / FOLDER).glob("*.json")
    answers: dict[str, dict[str, object]] = json.loads(file.read_bytes().split(b"\n")[1])["answers"]
    return answers


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "shared.py").write_text(SHARED.format(step="epoch"))
    (tmp_path / "main.py").write_text(MAIN.format(package="shared"))
    (tmp_path / "model.py").write_text(MODEL)
    shutil.copy(FIXTURES / "broken.py", tmp_path)
    return tmp_path


_WITHOUT_PARSER = """
import sys
sys.argv = ["trainlint", "check", ".", *sys.argv[1:]]
from trainlint.cli import main
try:
    main()
finally:
    heavy = {"libcst", "torch", "nbformat", "markdown_it", "docutils"}
    if heavy & set(sys.modules):
        print("imported", *sorted(heavy & set(sys.modules)), file=sys.stderr)
"""


def without_parser(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A check that says so on standard error where it had to read anything anew."""
    return subprocess.run(
        [sys.executable, "-c", _WITHOUT_PARSER, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_what_is_known_needs_no_parser(project: Path) -> None:
    (project / "broken_syntax.py").write_text("import torch\nif:\n")
    (project / "notes.md").write_text("# Notes\n\n    no code\n")
    before = check(project)
    assert without_parser(project).stderr == before.stderr
    assert without_parser(project).stdout == before.stdout
    assert "shared.py:" in before.stdout
    assert "broken_syntax.py:2" in before.stderr
    # Findings excused by a comment, and comments that excuse nothing, are worked out each time.
    excused = SHARED.format(step="epoch").replace("epoch)\n", "epoch)  # noqa: TRN701\n")
    (project / "shared.py").write_text(excused)
    check(project)
    assert "shared.py:" not in without_parser(project).stdout


def test_it_is_read_again_when_another_file_changes(project: Path) -> None:
    assert "shared.py:" in told(project)
    (project / "shared.py").write_text(SHARED.format(step="3 * epoch + i"))
    assert "shared.py:" not in told(project)


def test_only_what_rests_on_a_change_is_asked_again(project: Path) -> None:
    told(project)
    (project / "broken.py").write_text("import torch\n")
    assert "imported libcst" in without_parser(project).stderr
    told(project)
    before = {path: list(answers.values()) for path, answers in kept(project).items()}
    (project / "other.txt").write_text("not read")
    assert without_parser(project).stderr == ""
    (project / "main.py").write_text(MAIN.format(package="shared") + "\n")
    told(project)
    after = {path: list(answers.values()) for path, answers in kept(project).items()}
    # Whether anything sets what the model reads was asked of all files.
    changed = [path for path in before if before[path] != after[path]]
    assert changed == ["main.py", "model.py"]


def _add_module(project: Path) -> None:
    (project / "shared").mkdir()
    (project / "shared" / "__init__.py").write_text("from .loop import fit\n")
    (project / "shared" / "loop.py").write_text(SHARED.format(step="3 * epoch + i"))
    (project / "shared.py").unlink()


def _set_attribute(project: Path) -> None:
    (project / "use.py").write_text("from model import Net\nnet = Net()\nnet.scale = 2\n")


def _move_top(project: Path) -> None:
    (project / "inner").mkdir()
    shutil.move(project / "model.py", project / "inner" / "model.py")


def _configure(project: Path, text: str) -> None:
    (project / "trainlint.toml").write_text(text)


CHANGES: dict[str, Callable[[Path], None]] = {
    "a module becomes a package": _add_module,
    "a file elsewhere sets an attribute": _set_attribute,
    "a file moves": _move_top,
    "a file goes": lambda project: (project / "shared.py").unlink(),
    "the configuration": lambda project: _configure(project, 'ignore = ["TRN701"]\n'),
    "the target": lambda project: _configure(project, 'target-torch = "2.9"\n'),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_any_change_is_seen(project: Path, change: Callable[[Path], None]) -> None:
    first = told(project)
    change(project)
    told(project)
    assert told(project, "--select", "ALL") != first
    told(project)


def test_a_file_that_was_not_checked_meanwhile(project: Path) -> None:
    """What `shared` holds is kept anew by a check of it alone; `main` must not rest on that."""
    told(project)
    (project / "shared.py").write_text(SHARED.format(step="3 * epoch + i"))
    trainlint("check", "shared.py", cwd=project, TRAINLINT_NO_CACHE="")
    assert "shared.py:" not in told(project)


def test_fixes_are_kept(project: Path) -> None:
    (project / "model.py").write_text("import torch\nx = F.relu(torch.ones(2))\n")
    check(project)
    done = check(project, "--fix")
    assert "3 fixed" in done.stdout
    assert "functional as F" in (project / "model.py").read_text()
    told(project)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b"TRN701", b"TRN702"),
        lambda data: b"\xff\x00" * 1000,
        lambda data: b"[" * 100_000,
    ],
    ids=["empty", "cut", "changed", "binary", "deep"],
)
def test_a_spoiled_cache_is_made_anew(project: Path, spoil: Callable[[bytes], bytes]) -> None:
    told(project)
    (file,) = (project / FOLDER).glob("*.json")
    file.write_bytes(spoil(file.read_bytes()))
    assert "shared.py:" in told(project)
    assert without_parser(project).stderr == ""


@pytest.mark.parametrize("broken", [[], {"answers": 3, "seen": [], "rules": {"a": 1}}, None])
def test_a_cache_of_another_shape_is_made_anew(project: Path, broken: object) -> None:
    told(project)
    (file,) = (project / FOLDER).glob("*.json")
    data = json.dumps(broken).encode()
    file.write_bytes(digest_of(data).encode() + b"\n" + data)
    assert "shared.py:" in told(project)


def test_a_folder_that_cannot_be_written(project: Path) -> None:
    project.chmod(0o500)
    try:
        done = check(project, before=drop_overrides)
    finally:
        project.chmod(0o700)
    assert (done.returncode, done.stderr) == (1, "")
    assert not (project / FOLDER).exists()


def test_a_file_in_the_place_of_the_folder(project: Path) -> None:
    (project / FOLDER).write_text("mine")
    done = check(project)
    assert (done.returncode, done.stderr) == (1, "")
    assert (project / FOLDER).read_text() == "mine"


def test_a_full_disk(project: Path) -> None:
    """Every write fails beyond a size: what would be written is left out, and the rest stands."""

    def limit() -> None:
        import resource
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    done = check(project, before=limit)
    assert (done.returncode, done.stderr) == (1, "")
    assert "shared.py:" in done.stdout
    assert not list((project / FOLDER).glob("*.json"))
    assert not list((project / FOLDER).glob(".*.tmp"))
    assert "shared.py:" in told(project)


def test_a_link_in_the_place_of_the_folder_is_not_followed(project: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (project / FOLDER).symlink_to(elsewhere)
    assert check(project).returncode == 1
    assert list(elsewhere.iterdir()) == []
    assert trainlint("clean", cwd=project).returncode == 2
    assert elsewhere.exists()


def test_many_at_once(project: Path) -> None:
    for number in range(8):
        (project / f"more{number}.py").write_text(MAIN.format(package="shared"))
    with ThreadPoolExecutor(4) as pool:
        outputs = list(pool.map(lambda _: check(project).stdout, range(8)))
    assert set(outputs) == {told(project)}
    assert len(kept(project)) == 12


def test_it_is_kept_where_it_is_asked_for(project: Path, tmp_path: Path) -> None:
    other = tmp_path / "kept here"
    for done in (check(project, "--cache-dir", other), check(project, kept_in=str(other))):
        assert done.returncode == 1
        assert not (project / FOLDER).exists()
        assert len(list(other.glob("*.json"))) == 1
    # Another project beside it has answers of its own.
    second = tmp_path / "second"
    second.mkdir()
    (second / "main.py").write_text("import torch\n")
    assert check(second, "--cache-dir", other).returncode == 0
    assert len(list(other.glob("*.json"))) == 2


def test_git_does_not_see_it(project: Path) -> None:
    subprocess.run(["git", "init", "-q", "."], cwd=project, check=True)
    check(project)
    status = subprocess.run(
        ["git", "status", "--porcelain"], cwd=project, capture_output=True, text=True, check=True
    )
    assert FOLDER not in status.stdout
    assert (project / FOLDER / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d17")


def test_a_project_may_be_moved(project: Path) -> None:
    check(project)
    moved = project.parent / "moved"
    shutil.copytree(project, moved)
    assert without_parser(moved).stderr == ""


def test_clean(project: Path) -> None:
    check(project)
    done = trainlint("clean", cwd=project)
    assert (done.returncode, done.stdout) == (0, f"Deleted {FOLDER}.\n")
    assert not (project / FOLDER).exists()
    done = trainlint("clean", cwd=project)
    assert (done.returncode, done.stdout) == (0, f"No cache here: there is no {FOLDER}.\n")
    done = trainlint("clean", "--cache-dir", ".", cwd=project)
    assert (done.returncode, done.stdout) == (2, "")
    assert "is no cache of trainlint's" in done.stderr
    assert (project / "main.py").exists()


def test_a_file_that_imports_a_fixed_one_is_asked_again(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("import torch\nimport parts\nparts.act(torch.ones(2))\n")
    (tmp_path / "other.py").write_text("import torch\nprint(a)\n")
    (tmp_path / "parts.py").write_text("import torch\ndef act(x):\n    return F.relu(x)\n")
    before = trainlint("check", ".", "--isolated", cwd=tmp_path, TRAINLINT_NO_CACHE="")
    assert "Found 2 mistakes in 2 files" in before.stdout
    done = trainlint("check", ".", "--isolated", "--fix", cwd=tmp_path, TRAINLINT_NO_CACHE="")
    assert "Found 2 mistakes (1 fixed, 1 remaining)" in done.stdout
    again = trainlint("check", ".", "--isolated", cwd=tmp_path, TRAINLINT_NO_CACHE="")
    assert "Found 1 mistake in 1 file" in again.stdout
