"""Form feeds at the start of lines, as old editors put them: places and edits are right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import trainlint

# Each name of one letter is bound nowhere, and found.
FEEDS = [
    "\x0cprint(a)\n",
    "\x0c\x0cprint(a)\n\x0c\nprint(b)\n",
    "def run():\n    y = 1\n\x0c    print(a)\n    return b\n\x0cz1 = c\n",
    "def run():\n\x0c    y1 = 1\n    print(a)\n",
    "if torch:\n  pass\n\x0celif a:\n  print(b,\n\x0c  c)\n\x0celse:\n  d\n",
    "s1 = '''\n\x0cx''' + a\n\x0c@b\ndef run(): pass\n",
    "s1 = f'''\n\x0cx{a}'''\n",
    "    \x0cprint(a)  # é\n",
    "s1 = 1 + \\\n\x0c  a\n",
]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["unix", "windows", "old"])
@pytest.mark.parametrize("text", FEEDS)
def test_each_name_is_found_where_it_stands(text: str, end: str, tmp_path: Path) -> None:
    whole = f"import torch\n{text}"
    (tmp_path / "a.py").write_bytes(whole.replace("\n", end).encode())
    options = ["--isolated", "--select", "TRN001", "--output-format", "json"]
    done = trainlint("check", "a.py", *options, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    lines, found = whole.split("\n"), []
    for one in json.loads(done.stdout)["findings"]:
        at = one["location"]
        found.append(lines[at["line"] - 1][at["column"] - 1 : at["end_column"] - 1])
    assert found == list("abcd"[: len(found)])
    assert found


def test_what_is_fixed_is_what_was_found(tmp_path: Path) -> None:
    text = "import torch\n\x0cx = torch.randn(8, 1)\n\x0closs = torch.zeros(3).to('cuda')\n"
    (tmp_path / "a.py").write_text(text)
    options = ["--isolated", "--select", "TRN916", "--fix"]
    assert trainlint("check", "a.py", *options, cwd=tmp_path).returncode == 0
    expected = text.replace("zeros(3).to('cuda')", "zeros(3, device='cuda')")
    assert (tmp_path / "a.py").read_text() == expected
