"""Suppressions, through the command: a line, a block, a file; those that excuse nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command import trainlint

NAMES = ["--select", "TRN000,TRN001"]


def found(folder: Path, text: str, *arguments: str, name: str = "a.py") -> list[dict[str, Any]]:
    (folder / name).write_text(text)
    done = trainlint("check", name, *(arguments or NAMES), "--output-format", "json", cwd=folder)
    assert done.returncode < 2, done.stderr
    result: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
    return result


def codes(folder: Path, text: str, *arguments: str, name: str = "a.py") -> list[tuple[int, str]]:
    return [
        (one["location"]["line"], one["code"]) for one in found(folder, text, *arguments, name=name)
    ]


def fixed(text: str, findings: list[dict[str, Any]]) -> str:
    """The text with the fixes of all findings, which must be safe."""
    data = text.encode()
    edits = []
    for one in findings:
        assert one["fix"]["safe"]
        edits += one["fix"]["edits"]
    for edit in sorted(edits, key=lambda edit: edit["start"], reverse=True):
        data = data[: edit["start"]] + edit["content"].encode() + data[edit["end"] :]
    return data.decode()


# Name: a file in which nothing is found.
QUIET = {
    "a line": "import torch\nprint(a)  # trainlint: ignore[TRN001]\n",
    "by its name": "import torch\nprint(a)  # trainlint: ignore[undefined-name]\n",
    "by the start of it": "import torch\nprint(a)  # trainlint: ignore[TRN0]\n",
    "all codes": "import torch\nprint(a)  # trainlint: ignore\n",
    "noqa": "import torch\nprint(a)  # noqa: TRN001\n",
    "noqa with others": "import torch\nprint(a)  # noqa: E501, TRN001\n",
    "a statement's last line": "import torch\nprint(\n    a,\n)  # trainlint: ignore[TRN001]\n",
    "a file": "# trainlint: ignore-file[TRN001]\nimport torch\nprint(a)\n",
    "a function": "import torch\ndef f():  # trainlint: disable[TRN001]\n    x = 1\n    return a\n",
    "a head of several lines": (
        "import torch\ndef f(\n    x,\n):  # trainlint: disable[TRN001]\n    return a\n"
    ),
    "a class": "import torch\nclass A:  # trainlint: disable[TRN001]\n    def f(self):\n"
    "        return a\n",
    "a with": "import torch\nwith torch.no_grad():  # trainlint: disable\n    print(a)\n",
    "a for": "import torch\nfor i in range(3):  # trainlint: disable[TRN001]\n    print(a)\n",
    "the rest of a block": (
        "import torch\ndef f():\n    # trainlint: disable[TRN001]\n    x = 1\n    return a\n"
    ),
    "up to enable": (
        "import torch\n# trainlint: disable[TRN001]\nprint(a)\n# trainlint: enable[TRN001]\nx = 1\n"
    ),
}


@pytest.mark.parametrize("text", QUIET.values(), ids=QUIET)
def test_what_is_excused_and_needed(text: str, tmp_path: Path) -> None:
    assert codes(tmp_path, text) == []


# Name: a file, and what is found in it all the same.
LOUD = {
    "another code": (
        "import torch\nprint(a)  # trainlint: ignore[TRN101]\n", [(2, "TRN001")]),
    "ignore on a head covers no block": (
        "import torch\ndef f():  # trainlint: ignore[TRN001]\n    return a\n",
        [(2, "TRN000"), (3, "TRN001")]),
    "disable ends with its block": (
        "import torch\ndef f():\n    # trainlint: disable[TRN001]\n    print(b)\n"
        "def g():\n    return a\n", [(6, "TRN001")]),
    "disable ends before else": (
        "import torch\nif torch:\n    # trainlint: disable[TRN001]\n    print(b)\n"
        "else:\n    print(a)\n", [(6, "TRN001")]),
    "disable ends with enable": (
        "import torch\n# trainlint: disable\nprint(b)\n# trainlint: enable\nprint(a)\n",
        [(5, "TRN001")]),
    "enable of another code ends nothing": (
        "import torch\n# trainlint: disable[TRN001,TRN101]\n# trainlint: enable[TRN101]\n"
        "print(a)\n",
        []),
    "a string is no comment": (
        "import torch\nprint(a, '# trainlint: ignore')\n", [(2, "TRN001")]),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), LOUD.values(), ids=LOUD)
def test_what_is_not_excused(text: str, expected: list[tuple[int, str]], tmp_path: Path) -> None:
    assert codes(tmp_path, text) == expected


# Name: before, what the message says, and after the fix.
UNUSED = {
    "a trailing comment": (
        "import torch\nx = 1  # trainlint: ignore[TRN001]\ny = 2\n", "TRN001 is not found there",
        "import torch\nx = 1\ny = 2\n"),
    "a line of its own": (
        "import torch\n    # trainlint: disable[TRN001]\nx = 1\n", "TRN001",
        "import torch\nx = 1\n"),
    "the last line": ("import torch\n# trainlint: ignore-file[TRN001]", "TRN001",
                      "import torch\n"),
    "one of two": (
        "import torch\nprint(a)  # trainlint: ignore[TRN001, undefined-nam]\n",
        "there is no code undefined-nam, did you mean undefined-name?",
        "import torch\nprint(a)  # trainlint: ignore[TRN001]\n"),
    "noqa": ("import torch\nx = 1  # noqa: TRN001\n", "TRN001", "import torch\nx = 1\n"),
    "noqa with others": (
        "import torch\nx = 'é'  # noqa: E501, TRN001\n", "TRN001",
        "import torch\nx = 'é'  # noqa: E501\n"),
    "before another comment": (
        "import torch\nx = 1  # trainlint: ignore[TRN001] why # type: ignore\n", "TRN001",
        "import torch\nx = 1  # type: ignore\n"),
    "after another comment": (
        "import torch\nx = 1  # type: ignore  # noqa: TRN001 why\n", "TRN001",
        "import torch\nx = 1  # type: ignore\n"),
    "no training at all": ("x = 1  # trainlint: ignore[TRN001]\n", "TRN001", "x = 1\n"),
    "Windows lines": ("import torch\r\n# noqa: TRN001\r\nx = 1\r\n", "TRN001",
                      "import torch\r\nx = 1\r\n"),
}  # fmt: skip


@pytest.mark.parametrize(("before", "message", "after"), UNUSED.values(), ids=UNUSED)
def test_unused(before: str, message: str, after: str, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(before.encode())
    done = trainlint("check", "a.py", *NAMES, "--output-format", "json", cwd=tmp_path)
    findings = json.loads(done.stdout)["findings"]
    assert [one["code"] for one in findings] == ["TRN000"]
    assert message in findings[0]["message"]
    mended = fixed(before, findings)
    assert mended == after
    (tmp_path / "a.py").write_bytes(mended.encode())
    assert trainlint("check", "a.py", *NAMES, cwd=tmp_path).returncode == 0


# Name: a comment that excuses nothing and is left alone, and the arguments of the check.
LEFT_ALONE = {
    "a rule that was not asked": ("# trainlint: ignore[TRN101]", NAMES),
    "a rule that is off": ("# trainlint: ignore[TRN004]", []),
    "a start of more codes than were asked": ("# trainlint: ignore[TRN]", NAMES),
    "all codes, where few were asked": ("# trainlint: ignore", NAMES),
    "a detector": ("# trainlint: ignore[RUN101]", NAMES),
    "a bare noqa": ("# noqa", NAMES),
    "noqa of another tool": ("# noqa: F401", NAMES),
    "an unknown noqa": ("# noqa: TRN999", NAMES),
    "a rule that is ignored": ("# trainlint: ignore[TRN001]", ["--ignore", "TRN001"]),
    "itself": ("# trainlint: ignore[TRN000]", NAMES),
    "with an excuse of its own": ("# trainlint: ignore[TRN001, TRN000]", NAMES),
    "switched off": ("# trainlint: ignore[TRN001]", ["--ignore", "TRN000"]),
}


@pytest.mark.parametrize(("comment", "arguments"), LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_left_alone(comment: str, arguments: list[str], tmp_path: Path) -> None:
    text = f"import torch\nx = 1  {comment}\n"
    assert codes(tmp_path, text, *(arguments or ["--isolated"])) == []


def test_all_codes_by_default(tmp_path: Path) -> None:
    text = "import torch\nx = 1  # trainlint: ignore\n"
    assert codes(tmp_path, text, "--isolated") == [(2, "TRN000")]


def test_a_rule_that_is_left_out_of_a_file_was_not_asked(tmp_path: Path) -> None:
    (tmp_path / "trainlint.toml").write_text('[per-file-ignores]\n"a.py" = ["TRN001"]\n')
    assert codes(tmp_path, "import torch\nx = 1  # noqa: TRN001\n") == []


def test_of_what_could_not_be_checked_none_is_unused(tmp_path: Path) -> None:
    text = "import torch\nx = 1  # trainlint: ignore[TRN001]\ndef f(:\n"
    (tmp_path / "a.py").write_text(text)
    done = trainlint("check", "a.py", *NAMES, "--fix", cwd=tmp_path)
    assert (done.returncode, (tmp_path / "a.py").read_text()) == (2, text)
    assert done.stdout == "Nothing found; 1 path could not be checked.\n"
    assert done.stderr == "a.py:3:7: error: syntax error: invalid syntax\n"


def test_needed_by_a_finding_from_another_file(tmp_path: Path) -> None:
    (tmp_path / "shared.py").write_text(
        "def fit(loader, writer):\n    for epoch in range(3):\n        "
        "for i, x in enumerate(loader):\n            writer.add_scalar('loss', x.mean(), epoch)"
        "  # trainlint: ignore[TRN701]\n"
    )
    text = (
        "import torch\nfrom torch.utils.tensorboard import SummaryWriter\nfrom shared import fit\n"
        "fit(torch.randn(5, 4, 3), SummaryWriter('x'))\n"
    )
    (tmp_path / "a.py").write_text(text)
    assert trainlint("check", ".", cwd=tmp_path).returncode == 0
    (tmp_path / "a.py").unlink()
    assert "TRN000" in trainlint("check", ".", cwd=tmp_path).stdout


PROSE = """\
# Training

<!-- trainlint: disable[TRN101] -->

```python
import torch
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for x in torch.ones(3, 2, 2):
    model(x).sum().backward()
    optimizer.step()
```

<!-- trainlint: enable -->

```python
for x in torch.ones(3, 2, 2):
    model(x).sum().backward()
    optimizer.step()
```
"""


def test_documents(tmp_path: Path) -> None:
    assert codes(tmp_path, PROSE, "--isolated", name="a.md") == [(19, "TRN101")]
    text = "```python\nimport torch\nx = 1  # noqa: TRN001\n```\n"
    findings = found(tmp_path, text, name="a.md")
    assert [one["code"] for one in findings] == ["TRN000"]
    assert fixed(text, findings) == "```python\nimport torch\nx = 1\n```\n"


def test_long_lines_take_no_longer(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import torch\n#" + " noqa:" * 20_000 + "\n#" + "# " * 50_000)
    assert trainlint("check", "a.py", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    "written", ["ignore TRN001", "ignore: TRN001, TRN002", "ignore: TRN002 TRN001"]
)
def test_codes_without_brackets_are_all_that_is_excused(tmp_path: Path, written: str) -> None:
    (tmp_path / "x.py").write_text(f"import torch\nx = undefined  # trainlint: {written}\n")
    assert trainlint("check", "x.py", "--ignore", "TRN000", cwd=tmp_path).returncode == 0
    (tmp_path / "x.py").write_text(f"import torch\nx = np.ones(2)  # trainlint: {written}\n")
    done = trainlint("check", "x.py", "--select", "TRN001", "--ignore", "TRN000", cwd=tmp_path)
    assert done.returncode == 0
    (tmp_path / "x.py").write_text("import torch\nx = undefined  # trainlint: ignore TRN002\n")
    assert "TRN001" in trainlint("check", "x.py", cwd=tmp_path).stdout


def test_an_unneeded_code_without_brackets_is_taken_out(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("import torch\nx = oops  # trainlint: ignore TRN001, TRN101\n")
    assert "TRN000" in trainlint("check", "x.py", cwd=tmp_path).stdout
    trainlint("check", "x.py", "--fix", cwd=tmp_path)
    expected = "import torch\nx = oops  # trainlint: ignore[TRN001]\n"
    assert (tmp_path / "x.py").read_text() == expected
    assert trainlint("check", "x.py", cwd=tmp_path).returncode == 0


def test_a_suppression_that_a_document_only_shows(tmp_path: Path) -> None:
    text = "Write `<!-- trainlint: ignore[TRN201] -->` above it.\n\n```html\n"
    text += "<!-- trainlint: ignore-file -->\n```\n\n```python\n"
    text += (
        "import torch\nmodel = torch.nn.Linear(2, 2)\n"
        "opt = torch.optim.SGD(model.parameters(), lr=0.1)\n"
        "for x in torch.randn(9, 4, 2):\n    model(x).mean().backward()\n    opt.step()\n```\n"
    )
    (tmp_path / "a.md").write_text(text)
    done = trainlint("check", "a.md", cwd=tmp_path)
    assert "TRN000" not in done.stdout
    assert "TRN101" in done.stdout
