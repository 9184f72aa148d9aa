"""What must stay apart: torch from reading, libcst from the child, our names from others'."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from command import FIXTURES, ROOT, trainlint

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_REFUSE = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {names!r}:
            raise RuntimeError(f"imported {{name}}")
sys.meta_path.insert(0, Refuse())
sys.argv = {argv!r}
from trainlint.cli import main
main()
"""


def _without(names: set[str], *argv: str) -> subprocess.CompletedProcess[str]:
    code = _REFUSE.format(names=names, argv=["trainlint", *argv])
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )


def test_check_never_imports_torch() -> None:
    for arguments in (
        ["check", str(FIXTURES / "broken.py")],
        ["check", str(FIXTURES / "article_zh.txt")],
        ["explain", "TRN001"],
        ["explain", "RUN104"],
        ["rules"],
    ):
        extras = {"torch", "numpy", "tensorboard", "pygls", "lsprotocol", "watchfiles"}
        done = _without(extras, *arguments)
        assert done.returncode in (0, 1), done.stderr
        assert done.stderr == ""


def test_help_imports_neither_libcst_nor_torch() -> None:
    done = _without({"torch", "libcst", "nbformat", "docutils"}, "--help")
    assert done.returncode == 0, done.stderr


def test_check_never_runs_what_it_reads(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("import torch\nopen('ran', 'w').close()\nraise SystemExit(3)\n")
    (tmp_path / "torch.py").write_text("open('imported', 'w').close()\n")
    assert trainlint("check", ".", cwd=tmp_path).returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["torch.py", "train.py"]


def test_the_child_never_imports_libcst(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import sys, torch\n"
        "p = torch.nn.Linear(1, 1)\n"
        "o = torch.optim.SGD(p.parameters(), lr=0.1)\n"
        "for _ in range(3):\n"
        "    o.zero_grad()\n"
        "    p(torch.ones(1, 1)).sum().backward()\n"
        "    o.step()\n"
        "print('loaded:', [m for m in ('libcst', 'click', 'docutils') if m in sys.modules])\n"
    )
    done = trainlint("run", script)
    assert "loaded: []" in done.stdout, done.stdout + done.stderr


def test_the_users_own_lint_py_stays_theirs(tmp_path: Path) -> None:
    for name in ("lint.py", "runtime_checks.py", "json.py"):
        (tmp_path / name).write_text(f"name = {name!r}\n")
    script = tmp_path / "train.py"
    script.write_text("import torch, lint, runtime_checks\nprint(lint.name, runtime_checks.name)\n")
    done = trainlint("run", "train.py", cwd=tmp_path)
    assert "lint.py runtime_checks.py" in done.stdout, done.stdout + done.stderr


def test_the_packages_of_pyproject_are_those_of_the_tree() -> None:
    with open(ROOT / "pyproject.toml", "rb") as file:
        listed = tomllib.load(file)["tool"]["setuptools"]["packages"]
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in ROOT.glob("trainlint/**/__init__.py")
    }
    for folder in ("lint", "runtime_checks"):
        found |= {
            ".".join(("trainlint", *path.parent.relative_to(ROOT).parts))
            for path in ROOT.glob(f"{folder}/**/__init__.py")
        }
    assert sorted(listed) == sorted(found)


def test_the_wheel_has_one_top_level_name(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"trainlint"}
    for wanted in (
        "py.typed",
        "lint/engine.py",
        "lint/rules/undefined_name.py",
        "runtime_checks/child.py",
        "runtime_checks/detectors/overfitting.py",
    ):
        assert f"trainlint/{wanted}" in names
