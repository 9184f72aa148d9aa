"""The progress line: on a terminal only, and never in the way of the script's own output."""

from __future__ import annotations

import io
import re
from types import SimpleNamespace

import pytest

from trainlint.runtime_checks import progress
from trainlint.runtime_checks.progress import Progress
from trainlint.runtime_checks.record import Note, Step
from trainlint.runtime_checks.runner import Options

STEP = Step(
    step=41, own=41, optimizer=1, site=None, seconds=3.2, lrs=[0.1], loss=0.12345,
    norm=7.0, norm_after=7.0, norms=None, with_grad=2, total=2, stale=False, backwards=1,
)  # fmt: skip


class Terminal(io.StringIO):
    """A terminal of a given width, as far as the progress line can tell."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Standard error is a terminal of eighty columns."""
    made = Terminal()
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=made))
    monkeypatch.setattr(progress, "_columns", lambda: 80)
    monkeypatch.delenv("TERM", raising=False)
    return made


def test_it_shows_step_loss_and_norm(terminal: Terminal) -> None:
    with Progress(Options(trial="clip-norm=1.0")) as shown:
        shown(Note("not drawn"))
        shown(STEP)
    assert (
        "watching (clip-norm=1.0): step 42 of 300, 3 s, loss 0.123, gradient norm 7"
        in terminal.getvalue()
    )


def test_the_cursor_stays_and_the_text_is_wiped(terminal: Terminal) -> None:
    with Progress(Options()) as shown:
        shown(STEP)
    drawings = re.findall(r"\x1b7\x1b\[(\d+)G\x1b\[K(.*?)\x1b8", terminal.getvalue())
    assert re.sub(r"\x1b7.*?\x1b8", "", terminal.getvalue()) == ""
    assert all(int(column) + len(text) - 1 == 80 for column, text in drawings)
    column, last = drawings[-1]
    assert not last.strip()
    assert int(column) <= min(int(place) for place, _ in drawings)


def test_a_narrow_terminal_gets_one_line(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_columns", lambda: 20)
    with Progress(Options()) as shown:
        shown(STEP)
    assert max(map(len, re.findall(r"\[K(.*?)\x1b8", terminal.getvalue()))) == 19


def test_it_is_drawn_a_few_times_a_second_at_most(terminal: Terminal) -> None:
    with Progress(Options()) as shown:
        for _ in range(1000):
            shown(STEP)
    assert terminal.getvalue().count("step 42") <= 5


@pytest.mark.parametrize("dumb", [True, False])
def test_nothing_is_written_elsewhere(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, dumb: bool
) -> None:
    if dumb:
        made = Terminal()
        monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=made))
        monkeypatch.setenv("TERM", "dumb")
    with Progress(Options()) as shown:
        shown(STEP)
    assert capsys.readouterr().err == ""
    assert not dumb or made.getvalue() == ""
