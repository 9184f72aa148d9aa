"""The table of torch's names against the torch that is installed, and the release asked for."""

from __future__ import annotations

import importlib
import re
import warnings
from pathlib import Path

import pytest
import torch
from command import trainlint
from marked import assert_marked, check_text

from trainlint.lint.torch_api import API, REPLACEMENTS, version_key

INSTALLED = ".".join(re.findall(r"\d+", torch.__version__)[:2])
known = pytest.mark.skipif(INSTALLED not in API.targets, reason="newer than the table")

SCHEDULER = """
import torch
from torch.optim.lr_scheduler import StepLR

optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.1)
scheduler = StepLR(optimizer, 10, verbose=True){marker}
optimizer.step()
scheduler.step()
"""
NEW = "import torch\n\nscaler = torch.amp.GradScaler('cuda')\n"


def _resolve(name: str) -> object:
    parts = name.split(".")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for count in range(len(parts), 0, -1):
            try:
                found: object = importlib.import_module(".".join(parts[:count]))
            except ImportError:
                continue
            for part in parts[count:]:
                found = getattr(found, part, None)
            return found
    return None


@known
def test_what_is_gone_is_gone() -> None:
    spans = API._table["spans"]
    there = [name for name in spans if API.removed(name, INSTALLED) and _resolve(name) is not None]
    # The functions that moved to torch.linalg are there, and raise when they are called.
    assert len(there) < 10, there
    for name in set(there) & {"torch.symeig", "torch.eig", "torch.lstsq", "torch.matrix_rank"}:
        with pytest.raises(RuntimeError, match="removed"):
            _resolve(name)(torch.eye(3), torch.eye(3))  # type: ignore[operator]


@known
def test_what_came_is_there() -> None:
    came = [
        name
        for name, (first, gone) in API._table["spans"].items()
        if gone is None and version_key(first) <= version_key(INSTALLED)
    ]
    missing = [name for name in came if _resolve(name) is None]
    assert len(missing) < len(came) / 15, missing  # some stand in stubs only, or on other systems


@known
@pytest.mark.parametrize("module", ["torch", "torch.nn.utils", "torch.cuda.amp", "torch.cuda",
                                    "torch.nn.parallel", "torch.distributed"])  # fmt: skip
def test_every_marked_callable_is_in_the_table(module: str) -> None:
    for name, value in vars(importlib.import_module(module)).items():
        mark = getattr(value, "__deprecated__", None)
        if mark is not None and not name.startswith("_") and callable(value):
            assert API.deprecated(f"{module}.{name}", INSTALLED), (module, name)


@known
def test_every_rename_is_to_a_name_that_is_there() -> None:
    for instead, same in REPLACEMENTS.values():
        assert not same or _resolve(instead) is not None, instead


def test_a_release_is_younger_by_number_and_not_by_text() -> None:
    assert version_key("2.10") > version_key("2.9")
    assert API.targets[0] == "2.2"


# -- the release asked for -----------------------------------------------------------------------


def test_a_schedulers_verbose_is_there_until_2_7() -> None:
    assert_marked(SCHEDULER.format(marker=""), target="2.6")
    assert_marked(SCHEDULER.format(marker="  # TRN813"), target="2.7")


def test_deprecated_counts_for_the_target() -> None:
    code = "import torch\n\nscaler = torch.cuda.amp.GradScaler()\n"
    assert check_text(code, "case.py", "TRN811", target="2.3") == []
    (finding,) = check_text(code, "case.py", "TRN811", target="2.4")
    assert finding.hint == 'use torch.amp.GradScaler("cuda")'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("torch.set_deterministic(True)", "torch.use_deterministic_algorithms(True)"),
        ("torch.nn.init.normal(x)", "torch.nn.init.normal_(x)"),
        ("torch.ger(x, x)", "torch.outer(x, x)"),
    ],
)
def test_fix_changes_the_name(before: str, after: str) -> None:
    code = f"import torch\n\nx = torch.empty(3)\n{before}\n"
    (finding,) = check_text(code, "case.py", "TRN81")
    assert finding.fix is not None
    assert finding.fix.safe
    (edit,) = finding.fix.edits
    mended = code[: edit.start] + edit.content + code[edit.end :]
    assert mended == code.replace(before, after)
    assert check_text(mended, "case.py", "TRN81") == []


def test_fix_keeps_an_imports_name() -> None:
    code = "import torch\nfrom torch.nn.init import normal\n\nnormal(torch.empty(3))\n"
    (finding,) = check_text(code, "case.py", "TRN811")
    assert finding.fix is not None
    (edit,) = finding.fix.edits
    mended = code[: edit.start] + edit.content + code[edit.end :]
    assert "from torch.nn.init import normal_ as normal\n" in mended
    assert check_text(mended, "case.py", "TRN811") == []


def test_the_configuration_names_the_release(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(NEW)
    (tmp_path / "pyproject.toml").write_text("[tool.trainlint]\n")
    assert trainlint("check", "train.py", cwd=tmp_path).returncode == 0
    for release, code in (("2.2", 1), ("2.2.1", 1), ("2.3", 0)):
        text = f'[tool.trainlint]\ntarget-torch = "{release}"\n'
        (tmp_path / "pyproject.toml").write_text(text)
        done = trainlint("check", "train.py", cwd=tmp_path)
        assert done.returncode == code, done.stdout
        assert ("TRN812" in done.stdout) == bool(code)


@pytest.mark.parametrize("release", ['"2"', '"1.13"', '"9.9"', "2.4", '"latest"', "[]"])
def test_a_release_that_is_not_known_is_an_error(tmp_path: Path, release: str) -> None:
    (tmp_path / "train.py").write_text(NEW)
    (tmp_path / "pyproject.toml").write_text(f"[tool.trainlint]\ntarget-torch = {release}\n")
    done = trainlint("check", "train.py", cwd=tmp_path)
    assert done.returncode == 2
    assert "`target-torch` must be a release of torch" in done.stderr
