"""Text made to be slow to search: what reads prose and code takes time in proportion to it."""

import time
from collections.abc import Callable

import nbformat
import pytest

from trainlint.ignoring_prose import prose_spot
from trainlint.lint.files import make_source
from trainlint.lint.lower.claims import lower_claims
from trainlint.lint.lower.prose import says_no_more
from trainlint.lint.lower.subjects import CLIP_OPTION, SUBJECTS
from trainlint.lint.model import Script
from trainlint.lint.notebooks import read_notebook
from trainlint.lint.parse import parse
from trainlint.lint.rules.claimed_validation import _without_splits
from trainlint.lint.source import Source

LENGTH = 30_000
# In linear time these take tens of milliseconds; a search that goes through what is left of the
# line at each of its places takes minutes.
MOST_SECONDS = 2

LINES = [
    "clip " * (LENGTH // 5),
    "# clip the " + "clip_grad_" * (LENGTH // 10) + "!",
    "# decay " + "the " * (LENGTH // 4) + "x",
    "# set " + "the " * (LENGTH // 4) + "x",
    "# save the " + "only the " * (LENGTH // 9) + "x",
    "# evaluate the " + "model of the " * (LENGTH // 13) + "x",
    "# validate model" + " " * LENGTH + "x",
    "#" + " " * LENGTH + "x",
    "#" * LENGTH + "x",
    "# use distributed training " + "1" * LENGTH + "x",
    "set" * (LENGTH // 3),
    "sn" * (LENGTH // 2),
    "wn" * (LENGTH // 2),
    "conv" * (LENGTH // 4),
    "[:" * (LENGTH // 2),
]
a_line = pytest.mark.parametrize("line", LINES, ids=lambda line: line[:24])


def is_quick(work: Callable[[], object]) -> bool:
    """Whether something takes little processor time."""
    start = time.process_time()
    work()
    return time.process_time() - start < MOST_SECONDS


@a_line
def test_subjects_are_searched_in_linear_time(line: str) -> None:
    for subject in SUBJECTS:
        assert is_quick(lambda: subject.said.search(line)), subject.what  # noqa: B023
        assert is_quick(lambda: subject.does.search(line)), subject.what  # noqa: B023
        assert is_quick(lambda: subject.hedged(line)), subject.what  # noqa: B023


@a_line
def test_the_rest_of_a_sentence_is_read_in_linear_time(line: str) -> None:
    assert is_quick(lambda: says_no_more(line))
    assert is_quick(lambda: CLIP_OPTION.match(line.strip("# ")))
    assert is_quick(lambda: _without_splits(f"x = {line}"))


@pytest.mark.parametrize(
    "text",
    [
        *(f"# {line.strip('# ')}" for line in LINES),
        "# set the seed\n" * 3_000,
        f'"""Sets the seed.{chr(10) * LENGTH}x"""',
    ],
    ids=lambda text: text[:24],
)
def test_claims_are_lowered_in_linear_time(text: str) -> None:
    data = f"import torch\n{text}\n"
    source = Source("hostile.py", "python", data.encode(), data, data)
    script = Script(source, parse(source))
    assert is_quick(lambda: list(lower_claims(script)))


def test_a_notebook_line_of_space_is_read_in_linear_time() -> None:
    cell = nbformat.v4.new_code_cell(f"a = 1\n{' ' * LENGTH}x")
    data = nbformat.writes(nbformat.v4.new_notebook(cells=[cell])).encode()
    assert is_quick(lambda: read_notebook("hostile.ipynb", data))


@pytest.mark.parametrize("name", ["a.md", "a.rst"])
@pytest.mark.parametrize(
    "line",
    ["x" + " " * LENGTH + "y", "# " + "#" * LENGTH, "x " + "<!-- " * (LENGTH // 5), " " * LENGTH],
)
def test_a_place_for_a_comment_is_found_in_linear_time(name: str, line: str) -> None:
    source = make_source(name, f"{line}\n\nx\n".encode())
    assert is_quick(lambda: prose_spot(source, 1))
