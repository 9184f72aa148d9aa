"""`check --fix`, `--unsafe-fixes` and `--diff`: what is changed, what is kept, and how it ends."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import FIXTURES, trainlint
from deprived import drop_overrides

from trainlint.lint.problem import Unreadable
from trainlint.writing import replace_file

LACKING = "import torch\nx = F.relu(torch.ones(2))\n"
MENDED = "import torch\nimport torch.nn.functional as F\nx = F.relu(torch.ones(2))\n"

# A safe fix, an unsafe one and a mistake without a fix.
MIXED = """\
import torch
import torch.nn as nn

model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for x, y in loader:
    loss = F.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
"""


def test_all_is_mended(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(LACKING)
    done = trainlint("check", "x.py", "--fix", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Found 1 mistake (1 fixed, 0 remaining).\n"
    assert (tmp_path / "x.py").read_text() == MENDED
    again = trainlint("check", "x.py", "--fix", cwd=tmp_path)
    assert again.stdout == "All clear: 1 file checked.\n"


def test_what_is_fixable_is_marked_and_counted(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(MIXED)
    done = trainlint("check", "x.py", "--output-format", "concise", cwd=tmp_path)
    assert done.returncode == 1
    assert "TRN002 [never-imported] [*] " in done.stdout
    assert "TRN101 [missing-zero-grad] " in done.stdout
    assert "TRN101 [missing-zero-grad] [*]" not in done.stdout
    assert done.stdout.endswith(
        "Found 3 mistakes in 1 file.\n[*] 1 fixable with `--fix`"
        " (1 hidden fix with `--unsafe-fixes`).\n"
    )
    done = trainlint("check", "x.py", "--unsafe-fixes", cwd=tmp_path)
    assert done.stdout.endswith("[*] 2 fixable with `--fix`.\n")
    assert (tmp_path / "x.py").read_text() == MIXED, "only --fix writes"


def test_safe_fixes_first_unsafe_ones_on_request(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(MIXED)
    done = trainlint("check", "x.py", "--fix", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.endswith(
        "Found 3 mistakes (1 fixed, 2 remaining).\n"
        "No safe fixes (1 hidden fix with `--unsafe-fixes`).\n"
    )
    assert "zero_grad" not in (tmp_path / "x.py").read_text()
    done = trainlint("check", "x.py", "--fix", "--unsafe-fixes", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.endswith("Found 2 mistakes (1 fixed, 1 remaining).\n")
    assert "    optimizer.zero_grad()\n    loss.backward()\n" in (tmp_path / "x.py").read_text()


def test_only_what_is_asked_for_is_fixed(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(MIXED)
    trainlint("check", "x.py", "--fix", "--unsafe-fixes", "--select", "TRN1", cwd=tmp_path)
    text = (tmp_path / "x.py").read_text()
    assert "zero_grad" in text
    assert "functional" not in text


def test_what_is_excused_is_left_alone(tmp_path: Path) -> None:
    text = LACKING.replace("))\n", "))  # trainlint: ignore[TRN002]\n")
    (tmp_path / "x.py").write_text(text)
    assert trainlint("check", "x.py", "--fix", cwd=tmp_path).returncode == 0
    assert (tmp_path / "x.py").read_text() == text


def test_a_file_that_was_not_named_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("import torch\nimport parts\nparts.act(torch.ones(2))\n")
    parts = "import torch\ndef act(x):\n    return F.relu(x)\n"
    (tmp_path / "parts.py").write_text(parts)
    trainlint("check", "main.py", "--fix", cwd=tmp_path)
    assert (tmp_path / "parts.py").read_text() == parts


def test_diff_writes_nothing_and_can_be_applied(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(MIXED)
    (tmp_path / "y.py").write_bytes(LACKING.replace("\n", "\r\n").encode())
    (tmp_path / "z.py").write_text("import torch\nfrom torch import nn; x = F.relu(torch.ones(2))")
    names = ("x.py", "y.py", "z.py")
    before = [(tmp_path / name).read_bytes() for name in names]
    done = trainlint("check", ".", "--diff", "--unsafe-fixes", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "Would fix 4 mistakes.\n"
    assert [(tmp_path / name).read_bytes() for name in names] == before
    shutil.copytree(tmp_path, tmp_path / "patched")
    subprocess.run(["git", "apply", "-p0", "-"], input=done.stdout.encode(), check=True,
                   cwd=tmp_path / "patched", env={**os.environ, "GIT_DIR": os.devnull})  # fmt: skip
    trainlint("check", *names, "--fix", "--unsafe-fixes", cwd=tmp_path)
    for name in names:
        assert (tmp_path / "patched" / name).read_bytes() == (tmp_path / name).read_bytes()


def test_diff_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(MENDED)
    done = trainlint("check", "x.py", "--diff", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "Nothing would be fixed.\n"
    assert trainlint("check", "none.py", "--diff", cwd=tmp_path).returncode == 2


def test_standard_input_is_handed_on_mended() -> None:
    done = trainlint("check", "-", "--fix", stdin=LACKING.encode())
    assert (done.returncode, done.stdout) == (0, MENDED)
    assert done.stderr == "Found 1 mistake (1 fixed, 0 remaining).\n"
    done = trainlint("check", "-", "--fix", stdin=b"import torch\ndef f(:\n")
    assert (done.returncode, done.stdout) == (2, "import torch\ndef f(:\n")
    document = f"# F\n\n```python\n{LACKING}```\n"
    done = trainlint("check", "-", "--fix", "--stdin-filename", "x.md", stdin=document.encode())
    assert (done.returncode, done.stdout) == (0, document)  # an excerpt may leave imports out
    done = trainlint("check", "-", "--fix", "--stdin-filename", "x.py", stdin=LACKING.encode())
    assert (done.returncode, done.stdout) == (0, MENDED)
    done = trainlint("check", "-", "--diff", stdin=LACKING.encode())
    assert done.returncode == 1
    assert "+import torch.nn.functional as F\n" in done.stdout


BYTES: dict[str, Callable[[str], bytes]] = {
    "Windows line ends": lambda text: text.replace("\n", "\r\n").encode(),
    "old line ends": lambda text: text.replace("\n", "\r").encode(),
    "a byte order mark": lambda text: ("\ufeff" + text).encode(),
    "Latin-1": lambda text: f"# coding: latin-1\n# é\n{text}".encode("latin-1"),
    "Shift-JIS": lambda text: f"# coding: shift_jis\n# 日本\n{text}".encode("shift_jis"),
    "UTF-8": lambda text: f"# 日本 é 😀\n{text}".encode(),
    "a form feed": lambda text: f"# \x0c\n\x0c\n{text}".encode(),
    "tabs": lambda text: f"if True:\n\tpass\n{text}".encode(),
}


@pytest.mark.parametrize("of", BYTES.values(), ids=BYTES)
def test_bytes_are_kept(of: Callable[[str], bytes], tmp_path: Path) -> None:
    (tmp_path / "x.py").write_bytes(of(LACKING))
    done = trainlint("check", "x.py", "--fix", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Found 1 mistake (1 fixed, 0 remaining).\n"
    after = (tmp_path / "x.py").read_bytes()
    if after != of(MENDED):  # the import opens the script, before what stands there first
        new = of("import torch.nn.functional as F\n").splitlines(keepends=True)[-1]
        assert after.replace(new, b"") == of(LACKING)


def test_no_line_end_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("import torch; x = F.relu(torch.ones(2))")
    trainlint("check", "x.py", "--fix", cwd=tmp_path)
    mended = "import torch.nn.functional as F\nimport torch; x = F.relu(torch.ones(2))"
    assert (tmp_path / "x.py").read_text() == mended


# -- files ---------------------------------------------------------------------------------------


def test_permissions_and_links_are_kept(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "x.py"
    target.write_text(LACKING)
    target.chmod(0o751)
    (tmp_path / "link.py").symlink_to("real/x.py")
    assert trainlint("check", "link.py", "--fix", cwd=tmp_path).returncode == 0
    assert (tmp_path / "link.py").is_symlink()
    assert target.read_text() == MENDED
    assert target.stat().st_mode & 0o7777 == 0o751
    assert os.listdir(tmp_path / "real") == ["x.py"], "nothing else is left behind"


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_may_not_be_written_is_left_alone(what: str, tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir()
    (folder / "x.py").write_text(LACKING)
    (tmp_path / "y.py").write_text(LACKING)
    for path in (folder / "x.py", tmp_path / "y.py", tmp_path, tmp_path.parent):
        path.chmod(0o777)
    closed = folder if what == "folder" else folder / "x.py"
    closed.chmod(0o555)
    try:
        done = trainlint("check", ".", "--fix", cwd=tmp_path, before=drop_overrides)
    finally:
        folder.chmod(0o777)
    assert done.returncode == 2
    assert "closed/x.py: error: not mended" in done.stderr
    assert "closed/x.py:2:5: TRN002" in done.stdout, "what stands is told as it stands"
    assert "Found 2 mistakes (1 fixed, 1 remaining)" in done.stdout
    assert (folder / "x.py").read_text() == LACKING
    assert (tmp_path / "y.py").read_text() == MENDED
    assert os.listdir(folder) == ["x.py"]


def test_a_file_that_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_text("changed\n")
    with pytest.raises(Unreadable, match="changed while it was checked"):
        replace_file(str(path), b"before\n", b"after\n")
    assert path.read_text() == "changed\n"
    assert os.listdir(tmp_path) == ["x.py"]


# -- notebooks and documents ---------------------------------------------------------------------


def _notebook(*sources: str | list[str]) -> dict[str, Any]:
    outputs = [{"output_type": "stream", "name": "stdout", "text": ["F.relu\n", "é"]}]
    cells = [
        {"cell_type": "code", "id": f"c{number}", "execution_count": number, "source": source,
         "metadata": {"x": 1e-10, "source": "F"}, "outputs": outputs}
        for number, source in enumerate(sources)
    ]  # fmt: skip
    prose = {"cell_type": "markdown", "id": "m", "metadata": {}, "source": ["F.relu\n"]}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [prose, *cells]}


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("indent", [None, 1, "\t"])
@pytest.mark.parametrize("as_lines", [True, False])
def test_notebook(
    as_lines: bool, indent: int | str | None, ascii_only: bool, tmp_path: Path
) -> None:
    """Byte for byte what the same program would have written of the mended cells."""
    before = ["import torch\n# 日本 😀\n%matplotlib inline", "%%time\ny = F.relu(torch.ones(2))"]
    after = [before[0].replace("torch\n", "torch\nimport torch.nn.functional as F\n", 1), before[1]]

    def written(cells: list[str]) -> bytes:
        sources = [one.splitlines(keepends=True) if as_lines else one for one in cells]
        text = json.dumps(_notebook(*sources), indent=indent, ensure_ascii=ascii_only)
        return text.encode()

    (tmp_path / "n.ipynb").write_bytes(written(before))
    done = trainlint("check", "n.ipynb", "--fix", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "n.ipynb").read_bytes() == written(after)


def test_a_cell_keeps_its_line_ends(tmp_path: Path) -> None:
    """Under a mark of UTF-8, in a file whose own line ends are others than its cells'."""
    before = "import torch\r\nx = F.relu(torch.ones(2))\t# é\r\n"
    after = before.replace("torch\r\n", "torch\r\nimport torch.nn.functional as F\r\n", 1)

    def written(cell: str) -> bytes:
        text = json.dumps(_notebook(cell.splitlines(keepends=True)), indent=1, ensure_ascii=False)
        return f"\ufeff{text}".replace("\n", "\r\n").encode()

    (tmp_path / "n.ipynb").write_bytes(written(before))
    assert trainlint("check", "n.ipynb", "--fix", cwd=tmp_path).returncode == 0
    assert (tmp_path / "n.ipynb").read_bytes() == written(after)


def test_notebook_with_its_imports_in_one_line(tmp_path: Path) -> None:
    """A list of one line shows how two would be written by where it begins."""
    notebook = _notebook(["import torch"], ["x = F.relu(torch.ones(2))\n", "%ls"])
    (tmp_path / "n.ipynb").write_text(json.dumps(notebook, indent=1) + "\n")
    assert trainlint("check", "n.ipynb", "--fix", cwd=tmp_path).returncode == 0
    notebook["cells"][1]["source"] = ["import torch\n", "import torch.nn.functional as F"]
    assert (tmp_path / "n.ipynb").read_text() == json.dumps(notebook, indent=1) + "\n"


DOCUMENTS = {
    "x.md": "# F\n\n- a list:\n\n  ```python\n{}  ```\n\n  `F.relu` it is.\n",
    "y.md": "> ```python\n{}> ```\n",
    "z.rst": "F\n=\n\n.. code-block:: python\n\n{}\nIt is F.\n",
}
BODY = [
    "import torch", "from torch import nn, optim", "model = nn.Linear(2, 1)",
    "optimizer = optim.SGD(model.parameters(), lr=0.1)", "for x, y in [(torch.ones(2), 1)]:",
    "    optimizer.zero_grad()", "    loss = F.mse_loss(model(x), torch.ones(1))",
    "    loss.backward()", "    optimizer.step()",
]  # fmt: skip


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_keep_their_prose(name: str, tmp_path: Path) -> None:
    outer = {"x.md": "  ", "y.md": "> ", "z.rst": "    "}[name]

    def written(lines: list[str]) -> str:
        return DOCUMENTS[name].format("".join(f"{outer}{line}\n" for line in lines))

    (tmp_path / name).write_text(written(BODY))
    done = trainlint("check", name, "--fix", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    new = [*BODY[:2], "import torch.nn.functional as F", *BODY[2:]]
    assert (tmp_path / name).read_text() == written(new)


def test_fixture_and_second_run(tmp_path: Path) -> None:
    for name in ("broken.py", "article_zh.txt"):
        shutil.copy(FIXTURES / name, tmp_path)
    done = trainlint("check", "broken.py", "article_zh.txt", "--fix", cwd=tmp_path)
    assert "Found 8 mistakes (4 fixed, 4 remaining)." in done.stdout
    before = (tmp_path / "article_zh.txt").read_bytes()
    again = trainlint("check", "broken.py", "article_zh.txt", "--fix", cwd=tmp_path)
    assert "Found 4 mistakes in 2 files." in again.stdout
    assert (tmp_path / "article_zh.txt").read_bytes() == before
