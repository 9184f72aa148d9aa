"""The hook, in the real pre-commit: a commit with the broken script is refused.

Builds the hook's own environment, as pre-commit does at a user's, from the package index.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command import FIXTURES, ROOT

_ME = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")


def _git(folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", *_ME, *arguments],
        cwd=folder,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


@pytest.fixture(scope="module")
def hook(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """This working tree as a repository that hooks can be taken from, and its revision."""
    folder = tmp_path_factory.mktemp("hook")
    listed = _git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z").stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_symlink() or (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name, follow_symlinks=False)
    _git(folder, "init", "--quiet")
    _git(folder, "add", ".")
    done = _git(folder, "commit", "--quiet", "--no-verify", "-m", "tree")
    assert done.returncode == 0, done.stderr
    return folder, _git(folder, "rev-parse", "HEAD").stdout.strip()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pre-commit keeps the hooks' environment, made once."""
    return tmp_path_factory.mktemp("home")


class Work:
    """A repository in which one of the hooks is installed."""

    def __init__(self, folder: Path, home: Path, hook: tuple[Path, str], name: str) -> None:
        self.folder, self.home = folder, home
        folder.mkdir()
        _git(folder, "init", "--quiet")
        repository, revision = hook
        (folder / ".pre-commit-config.yaml").write_text(
            f"repos:\n- repo: {repository.as_uri()}\n  rev: {revision}\n  hooks:\n  - id: {name}\n"
        )
        installed = subprocess.run(
            [sys.executable, "-m", "pre_commit", "install"],
            cwd=folder, env={**os.environ, "PRE_COMMIT_HOME": str(home)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert installed.returncode == 0, installed.stderr

    def commit(self, message: str) -> subprocess.CompletedProcess[str]:
        _git(self.folder, "add", ".")
        return _git(self.folder, "commit", "-m", message, PRE_COMMIT_HOME=str(self.home))

    def take(self, fixture: str) -> subprocess.CompletedProcess[str]:
        shutil.copy(FIXTURES / fixture, self.folder / "train.py")
        return self.commit(fixture)


def test_the_manifest_is_one() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pre_commit", "validate-manifest", ROOT / ".pre-commit-hooks.yaml"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_a_broken_script_is_refused_and_a_mended_one_taken(
    hook: tuple[Path, str], home: Path, tmp_path: Path
) -> None:
    work = Work(tmp_path / "work", home, hook, "trainlint")
    refused = work.take("broken.py")
    assert refused.returncode == 1
    assert "train.py:25:23: TRN001" in refused.stdout + refused.stderr
    taken = work.take("mended.py")
    assert taken.returncode == 0, taken.stdout + taken.stderr
    assert _git(work.folder, "log", "--format=%s").stdout == "mended.py\n"
    packages = {path.name for path in home.glob("repo*/py_env-*/lib/python*/site-packages/*")}
    assert "libcst" in packages
    assert not {"torch", "tensorboard", "numpy"} & packages


def test_what_the_configuration_leaves_out_is_no_hooks_business(
    hook: tuple[Path, str], home: Path, tmp_path: Path
) -> None:
    """pre-commit names every file, and a file that is named is else always checked."""
    work = Work(tmp_path / "work", home, hook, "trainlint")
    (work.folder / "pyproject.toml").write_text('[tool.trainlint]\nexclude = ["train.py"]\n')
    taken = work.take("broken.py")
    assert taken.returncode == 0, taken.stdout + taken.stderr


def test_the_fixing_hook_mends_and_then_lets_pass(
    hook: tuple[Path, str], home: Path, tmp_path: Path
) -> None:
    work = Work(tmp_path / "work", home, hook, "trainlint-fix")
    script = work.folder / "train.py"
    script.write_text("import torch\n\nx = F.relu(torch.ones(1))\n")
    refused = work.commit("first")
    assert refused.returncode == 1
    assert "files were modified by this hook" in refused.stdout + refused.stderr
    mended = "import torch\nimport torch.nn.functional as F\n\nx = F.relu(torch.ones(1))\n"
    assert script.read_text() == mended
    taken = work.commit("second")
    assert taken.returncode == 0, taken.stdout + taken.stderr
