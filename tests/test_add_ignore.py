"""`check --add-ignore`: where the suppressions are put, what is kept, and how it ends."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from command import FIXTURES, findings_of, trainlint

NAMES = ["--isolated", "--select", "TRN000,TRN001,TRN201"]

# Name: a file, and what it is afterwards; `@` stands for `trainlint: ignore`.
WRITTEN = {
    "a line": ("print(a)\n", "print(a)  # @[TRN001]\n"),
    "a line that ends in a comment": (
        "print(a)  # type: ignore\n", "print(a)  # type: ignore  # @[TRN001]\n"),
    "no line end": ("print(a)", "print(a)  # @[TRN001]"),
    "blanks at the end": ("print(a) \t\nprint(1)\n", "print(a)  # @[TRN001] \t\nprint(1)\n"),
    "two of one code": ("print(a, b)\n", "print(a, b)  # @[TRN001]\n"),
    "a suppression of another code": (
        "print(a)  # @[TRN004]\n", "print(a)  # @[TRN004, TRN001]\n"),
    "with a reason": (
        "print(a)  # @[TRN004] for now\n", "print(a)  # @[TRN004, TRN001] for now\n"),
    "codes without brackets": (
        "print(a)  # @ TRN004 for now\n", "print(a)  # @ TRN004, TRN001 for now\n"),
    "noqa of ours": ("print(a)  # noqa: TRN004 x\n", "print(a)  # noqa: TRN004, TRN001 x\n"),
    "noqa of others": (
        "print(a)  # noqa: E501\n", "print(a)  # noqa: E501  # @[TRN001]\n"),
    "a block's": (
        "for a in []:  # trainlint: disable[TRN004]\n    print(b)\n",
        "for a in []:  # trainlint: disable[TRN004]\n    print(b)  # @[TRN001]\n"),
    "a statement's": (
        "print(\n    a,\n)  # @[TRN004]\n", "print(\n    a,\n)  # @[TRN004, TRN001]\n"),
    "a line within a statement": (
        "print(\n    a,\n)\n", "print(\n    a,  # @[TRN001]\n)\n"),
    "a joined line": ("x = a + \\\n    1\n", "x = a + \\\n    1  # @[TRN001]\n"),
    "joined in the middle": (
        "x = 1 + \\\n    a + \\\n    2\n", "x = 1 + \\\n    a + \\\n    2  # @[TRN001]\n"),
    "before a long string": (
        "print(a, '''\n# no\n''', 1)\n", "print(a, '''\n# no\n''', 1)  # @[TRN001]\n"),
    "after a long string": (
        "print('''\n# no\n''', a)\n", "print('''\n# no\n''', a)  # @[TRN001]\n"),
    "within one": ("print(f'''\n{a}\n''')\n", "print(f'''\n{a}\n''')  # @[TRN001]\n"),
    "a line with a number sign": ("print(a, '#')\n", "print(a, '#')  # @[TRN001]\n"),
    "a comment": (
        "x = 1\n# Gradients are clipped to a norm of 1.\n",
        "x = 1\n# Gradients are clipped to a norm of 1.  # @[TRN201]\n"),
    "a head on one line": ("if a: x = '''\n'''\n", "if a: x = '''\n'''  # @[TRN001]\n"),
    "another form of blank": ("print(a)\x0c\n", "print(a)  # @[TRN001]\x0c\n"),
    "two statements": ("print(a); print(b)\n", "print(a); print(b)  # @[TRN001]\n"),
}  # fmt: skip

TRAINING = """\
import torch
model = torch.nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for x in torch.ones(3, 1):
    optimizer.zero_grad()
    model(x).sum().backward()
    optimizer.step()
"""
ENDS = {"unix": "\n", "windows": "\r\n", "old": "\r"}


def _bytes(text: str, end: str = "\n") -> bytes:
    whole = TRAINING + text.replace("@", "trainlint: ignore")
    return whole.replace("\n", end).encode()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """All files with all line ends, and what two runs over them print."""
    folder = tmp_path_factory.mktemp("written")
    for number, (before, _) in enumerate(WRITTEN.values()):
        for name, end in ENDS.items():
            (folder / f"{name}{number}.py").write_bytes(_bytes(before, end))
    first = trainlint("check", ".", *NAMES, "--add-ignore", cwd=folder)
    assert (first.returncode, first.stderr) == (0, "")
    again = trainlint("check", ".", *NAMES, "--add-ignore", cwd=folder)
    assert (again.returncode, again.stderr) == (0, "")
    return folder, first.stdout, again.stdout


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("name", WRITTEN)
def test_where_it_is_put(name: str, ends: str, written: tuple[Path, str, str]) -> None:
    number, after = list(WRITTEN).index(name), WRITTEN[name][1]
    assert (written[0] / f"{ends}{number}.py").read_bytes() == _bytes(after, ENDS[ends])


def test_what_is_printed_and_left(written: tuple[Path, str, str]) -> None:
    folder, first, again = written
    assert first == f"Added {len(WRITTEN) * len(ENDS)} suppressions.\n"
    assert again == "Added 0 suppressions.\n"
    done = trainlint("check", ".", "--isolated", "--select", "TRN001,TRN201", cwd=folder)
    assert done.returncode == 0
    done = trainlint("check", ".", *NAMES, "--output-format", "concise", cwd=folder)
    idle = [line for line in done.stdout.splitlines() if "TRN000" in line]
    assert idle == [], "TRN004 is no default, and so is not judged"


def test_all_rules_over_the_fixtures(tmp_path: Path) -> None:
    for path in FIXTURES.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    done = trainlint("check", ".", "--isolated", "--select", "ALL", "--add-ignore", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert trainlint("check", ".", "--isolated", "--select", "ALL", cwd=tmp_path).returncode == 0
    changed = [path for path in before if path.read_bytes() != before[path]]
    assert changed
    for path in changed:
        if path.suffix == ".py":
            assert ast.dump(ast.parse(path.read_bytes())) == ast.dump(ast.parse(before[path]))


def test_the_encoding_and_the_mark_are_kept(tmp_path: Path) -> None:
    head, tail = "# coding: shift_jis\nimport torch\nprint(a, '日本')", "\n"
    (tmp_path / "a.py").write_bytes((head + tail).encode("shift_jis"))
    marked = ("\ufeffimport torch\nprint(a, '日本')", "\r\n")
    (tmp_path / "b.py").write_bytes("".join(marked).encode())
    done = trainlint("check", ".", *NAMES, "--add-ignore", cwd=tmp_path)
    assert done.stdout == "Added 2 suppressions.\n"
    comment = "  # trainlint: ignore[TRN001]"
    assert (tmp_path / "a.py").read_bytes() == (head + comment + tail).encode("shift_jis")
    assert (tmp_path / "b.py").read_bytes() == comment.join(marked).encode()


def test_a_notebook_keeps_all_else(tmp_path: Path) -> None:
    sources: list[str | list[str]] = [
        ["import torch\n", "%matplotlib inline\n", "print(a)\n", "x = 'é'"],
        "print(\n  b)\n!ls",
        ["%%time\n", "print(c)"],
    ]
    text = json.dumps(_notebook(sources), ensure_ascii=False, indent=3)
    path = tmp_path / "a.ipynb"
    path.write_text(text, encoding="utf-8")
    done = trainlint("check", "a.ipynb", *NAMES, "--add-ignore", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "Added 3 suppressions.\n"), done.stderr
    comment = "  # trainlint: ignore[TRN001]"
    expected = text.replace("print(a)", f"print(a){comment}").replace("  b)", f"  b){comment}")
    assert path.read_text(encoding="utf-8") == expected.replace("print(c)", f"print(c){comment}")
    assert trainlint("check", "a.ipynb", *NAMES, cwd=tmp_path).returncode == 0


def _notebook(sources: list[str | list[str]]) -> dict[str, object]:
    cells: list[object] = [
        {"cell_type": "code", "id": f"c{number}", "execution_count": 1, "source": source,
         "metadata": {}, "outputs": []}
        for number, source in enumerate(sources)
    ]  # fmt: skip
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def test_a_docstring(tmp_path: Path) -> None:
    text = f'"""Trains.\n\nGradients are clipped to a norm of 1.\n"""\n{TRAINING}'
    (tmp_path / "a.py").write_text(text)
    done = trainlint("check", "a.py", *NAMES, "--add-ignore", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "Added 1 suppression.\n")
    expected = text.replace('1.\n"""', '1.\n"""  # trainlint: ignore[TRN201]')
    assert (tmp_path / "a.py").read_text() == expected
    assert trainlint("check", "a.py", *NAMES, cwd=tmp_path).returncode == 0


def test_a_document_s_code(tmp_path: Path) -> None:
    loop = TRAINING.replace("    optimizer.zero_grad()\n", "")
    typed = re.sub("^", ">>> ", loop, flags=re.M).replace(">>>     ", "...     ")[:-4]
    text = (
        f"# A\n\n1. Say:\n\n   ```python\n{indented(loop, '   ')}   ```\n\n"
        f"{indented(loop, '>     ')}\n```pycon\n{typed}```\n"
    )
    (tmp_path / "a.md").write_text(text)
    options = ["--isolated", "--select", "TRN000,TRN101"]
    done = trainlint("check", "a.md", *options, "--add-ignore", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "Added 3 suppressions.\n")
    step, comment = "    optimizer.step()", "  # trainlint: ignore[TRN101]"
    assert (tmp_path / "a.md").read_text() == text.replace(step, step + comment)


def indented(text: str, before: str) -> str:
    return re.sub("^(?=.)", before, text, flags=re.M)


def test_what_no_comment_can_excuse_is_told(tmp_path: Path) -> None:
    notebook = json.dumps(_notebook(["import torch\nprint(a)"]))
    twice = notebook.replace('"source"', '"source": "x", "source"')  # nothing says which counts
    (tmp_path / "a.ipynb").write_text(twice)
    done = trainlint("check", "a.ipynb", *NAMES, "--add-ignore", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert "a.ipynb:cell 1:2:7: TRN001" in done.stdout
    told = "Added 0 suppressions.\n1 mistake left, where no comment can be put.\n"
    assert done.stdout.endswith(told)
    assert (tmp_path / "a.ipynb").read_text() == twice
    idle = "import torch\nprint(1)  # trainlint: ignore[TRN001]\n"
    (tmp_path / "b.py").write_text(idle)
    done = trainlint("check", "b.py", *NAMES, "--add-ignore", cwd=tmp_path)
    assert done.returncode == 1
    assert "b.py:2:11: TRN000" in done.stdout
    assert done.stdout.endswith(
        "Added 0 suppressions.\n1 unused suppression left, for `--fix` to take away.\n"
    )
    assert (tmp_path / "b.py").read_text() == idle


def test_a_file_that_was_not_named_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "shared.py").write_text(
        "def fit(loader, writer):\n    for epoch in range(3):\n        "
        "for i, x in enumerate(loader):\n            writer.add_scalar('loss', x.mean(), epoch)\n"
    )
    (tmp_path / "a.py").write_text(
        "import torch\nfrom torch.utils.tensorboard import SummaryWriter\nfrom shared import fit\n"
        "fit(torch.randn(5, 4, 3), SummaryWriter('x'))\n"
    )
    before = (tmp_path / "shared.py").read_text()
    done = trainlint("check", "a.py", "--isolated", "--add-ignore", cwd=tmp_path)
    assert done.returncode == 1
    assert "shared.py:4:49: TRN701" in done.stdout
    assert "1 mistake left, where no comment can be put.\n" in done.stdout
    assert (tmp_path / "shared.py").read_text() == before
    done = trainlint("check", ".", "--isolated", "--add-ignore", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "Added 1 suppression.\n")


def test_diff_shows_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import torch\nprint(a)\n")
    done = trainlint("check", "a.py", *NAMES, "--add-ignore", "--diff", cwd=tmp_path)
    assert done.returncode == 1
    assert "+print(a)  # trainlint: ignore[TRN001]\n" in done.stdout
    assert done.stderr == "Would add 1 suppression.\n"
    assert (tmp_path / "a.py").read_text() == "import torch\nprint(a)\n"
    subprocess.run(["patch", "-p0"], input=done.stdout.encode(), cwd=tmp_path, check=True)
    assert trainlint("check", "a.py", *NAMES, cwd=tmp_path).returncode == 0


def test_standard_input_is_handed_on(tmp_path: Path) -> None:
    done = trainlint("check", "-", *NAMES, "--add-ignore", stdin=b"import torch\nprint(a)\n")
    assert done.returncode == 0
    assert done.stdout == "import torch\nprint(a)  # trainlint: ignore[TRN001]\n"
    assert done.stderr == "Added 1 suppression.\n"


def test_only_what_is_new_beside_a_baseline(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import torch\nprint(a)\n")
    trainlint("check", "a.py", *NAMES, "--write-baseline", "known.json", cwd=tmp_path)
    (tmp_path / "a.py").write_text("import torch\nprint(a)\nprint(b)\n")
    options = [*NAMES, "--baseline", "known.json"]
    done = trainlint("check", "a.py", *options, "--add-ignore", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "Added 1 suppression.\n")
    text = "import torch\nprint(a)\nprint(b)  # trainlint: ignore[TRN001]\n"
    assert (tmp_path / "a.py").read_text() == text


def test_beside_other_options_and_problems(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import torch\nprint(a)\n")
    (tmp_path / "b.py").write_text("import torch\nprint(a\n")
    for other in ("--fix", "--write-baseline=x.json"):
        done = trainlint("check", "a.py", "--add-ignore", other, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert "--add-ignore" in done.stderr
        assert len(done.stderr.splitlines()) <= 2
    options = [*NAMES, "--add-ignore", "--output-format", "json"]
    done = trainlint("check", ".", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert findings_of(done) == []
    assert json.loads(done.stdout)["problems"]
    assert done.stderr == "Added 1 suppression.\n"


CLAIM = "The code below clips the gradients to a norm of 1."
LOOP = f"```python\n{TRAINING}```\n"
REST = f".. code-block:: python\n\n{indented(TRAINING, '   ')}\n"

# Name: the file's name, its prose before the code, and after the run; `@` stands for the comment.
PROSE = {
    "a paragraph": ("a.md", f"{CLAIM}\n", f"{CLAIM} @\n"),
    "one of several lines": (
        "a.md", f"We train.\n{CLAIM}\nThen we stop.\n", f"We train.\n{CLAIM} @\nThen we stop.\n"),
    "a line with a break": ("a.md", f"{CLAIM}  \nx\n", f"{CLAIM} @  \nx\n"),
    "a line with a marked break": ("a.md", f"{CLAIM}\\\nx\n", f"{CLAIM} @\\\nx\n"),
    "a quote": ("a.md", f"> {CLAIM}\n", f"> {CLAIM} @\n"),
    "Windows lines": ("a.md", f"{CLAIM}\r\n\r\nx\r\n", f"{CLAIM} @\r\n\r\nx\r\n"),
    "plain text": ("a.txt", f"{CLAIM}\n", f"{CLAIM} @\n"),
    "one that is there": (
        "a.md", f"<!-- trainlint: ignore[TRN101] -->\n\n{CLAIM}\n",
        f"<!-- trainlint: ignore[TRN101, TRN201] -->\n\n{CLAIM}\n"),
    "one without brackets": (
        "a.md", f"<!-- trainlint: ignore TRN101 -->\n{CLAIM}\n",
        f"<!-- trainlint: ignore TRN101, TRN201 -->\n{CLAIM}\n"),
    "a line that ends in code": (
        "a.md", f"{CLAIM} `x\ny`\n", f"<!-- trainlint: ignore[TRN201] -->\n{CLAIM} `x\ny`\n"),
    "reST": ("a.rst", f"A\n=\n\nWe train.\n{CLAIM}\n", f"A\n=\n\n@\n\nWe train.\n{CLAIM}\n"),
    "a quote in reST": ("a.rst", f"x\n\n  {CLAIM}\n", f"x\n\n  @\n\n  {CLAIM}\n"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "before", "after"), PROSE.values(), ids=PROSE)
def test_prose(name: str, before: str, after: str, tmp_path: Path) -> None:
    rest = name.endswith(".rst")
    comment = ".. trainlint: ignore[TRN201]" if rest else "<!-- trainlint: ignore[TRN201] -->"
    code = REST if rest else LOOP
    (tmp_path / name).write_bytes(f"{before}\n{code}".encode())
    options = ["--isolated", "--select", "TRN000,TRN201"]
    assert trainlint("check", name, *options, cwd=tmp_path).returncode == 1
    done = trainlint("check", name, *options, "--add-ignore", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    expected = f"{after.replace('@', comment)}\n{code}"
    assert (tmp_path / name).read_bytes() == expected.encode()
    assert trainlint("check", name, *options, cwd=tmp_path).returncode == 0
    again = trainlint("check", name, *options, "--add-ignore", cwd=tmp_path)
    assert again.stdout == "Added 0 suppressions.\n"
