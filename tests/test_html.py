"""The page of a run: what it holds, that nothing in it can do harm, and what a browser draws."""

from __future__ import annotations

import html.parser
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from command import ROOT, trainlint
from run_builder import SCRIPT, epochs, new_run, ordinary, step

from trainlint.finding import Evidence, Finding, Location, Related, Severity
from trainlint.lint.source import Source
from trainlint.reporters.html.charts import LAYERS, make_charts
from trainlint.reporters.html.page import render_page
from trainlint.runtime_checks.detection import judge
from trainlint.runtime_checks.run import Run

EVIL = "</script><script>alert(1)</script><b onclick='x'>&amp;"


class Reader(html.parser.HTMLParser):
    """Elements with their attributes, and the text of each kind."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts.setdefault(self._open[-1], []).append(data)


def page(run: Run, findings: list[Finding] | None = None, **more: object) -> str:
    sources = {SCRIPT: Source.of_bytes(SCRIPT, b"".join(b"line %d\n" % n for n in range(1, 41)))}
    values: dict[str, object] = {"verdict": "Found it.", "command": "trainlint run x", **more}
    return render_page(run, judge(run), findings or [], sources, **values)  # type: ignore[arg-type]


def finding(message: str = "the loss is odd", line: int = 22) -> Finding:
    return Finding(
        "RUN999", "odd-loss", message, Severity.ERROR, Location(SCRIPT, line),
        related=(Related(Location(SCRIPT, 10), "made here"),),
        hint="mend it", evidence=(Evidence("loss", 3.25, 7),),
    )  # fmt: skip


def test_a_finding_stands_with_its_lines_its_evidence_and_its_hint() -> None:
    read = Reader(page(ordinary(), [finding()]))
    assert [text for text in read.texts["span"] if text == "RUN999"] == ["RUN999"]
    marked = [attrs for tag, attrs in read.elements if attrs.get("class") == "marked"]
    assert len(marked) == 2
    assert {"line 19", "line 22", "line 25", "line 10"} <= set(read.texts["span"])
    assert "line 26" not in read.texts["span"]
    assert {"loss", "3.25", "7"} <= set(read.texts["td"])
    assert any("mend it" in text for text in read.texts["p"])


def test_text_of_the_script_is_text() -> None:
    run = ordinary()
    run.notes.append(EVIL)
    run.optimizers[1].parameters[0] = EVIL
    for at in range(3):
        step(run, norms=[1.0 + at] * 4)
    text = page(run, [finding(EVIL)], verdict=EVIL, command=EVIL)
    read = Reader(text)
    assert "b" not in {tag for tag, _ in read.elements}
    assert [tag for tag, _ in read.elements].count("script") == 3
    assert EVIL in read.texts["p"]
    figures = json.loads(re.search(r'id="figures">(.*?)</script>', text).group(1))  # type: ignore[union-attr]
    assert any(EVIL in figure["data"][0].get("y", []) for figure in figures)


def test_nothing_is_fetched() -> None:
    read = Reader(page(ordinary(), [finding()]))
    for tag, attrs in read.elements:
        assert tag not in ("link", "img", "iframe", "object", "embed")
        assert "src" not in attrs
        assert "href" not in attrs


def test_charts_and_the_tables_that_stand_for_them() -> None:
    run = epochs([2.0, 1.0, 0.5], [2.1, 1.4, 1.3])
    charts = make_charts(run, [finding()])
    by_title = {chart.title: chart for chart in charts}
    loss = by_title["Loss"]
    assert [trace["name"] for trace in loss.figure["data"]] == ["training", "evaluation"]
    assert loss.figure["data"][1]["y"] == [2.1, 1.4, 1.3]
    assert loss.figure["layout"]["shapes"][0]["x0"] == 7  # the step of the finding
    assert loss.table.head == ("step", "training", "evaluation")
    assert loss.table.rows[-1] == ("15", "-", "1.3")
    assert "Learning rate" in by_title


def test_numbers_that_are_none_leave_gaps() -> None:
    run = ordinary(5)
    step(run, norm=float("nan"), loss=float("inf"))
    figures = [chart.figure for chart in make_charts(run, [])]
    assert figures[0]["data"][0]["y"][-1] is None
    assert "nan" not in page(run).lower().partition("<script>")[0].partition("figures")[2]


def test_a_heat_map_of_many_layers_is_thinned() -> None:
    run = new_run()
    run.optimizers[1].parameters[:] = [f"layer{n}.weight" for n in range(300)]
    for at in range(4):
        step(run, norms=[float(n + at + 1) for n in range(300)], total=300)
    (chart,) = (one for one in make_charts(run, []) if "tensor" in one.title)
    heat = chart.figure["data"][0]
    assert len(heat["y"]) <= LAYERS
    assert len(heat["z"]) == len(heat["y"]) == len(chart.table.rows)
    assert heat["x"] == [0, 1, 2, 3]


def test_a_run_without_a_step_has_a_page() -> None:
    read = Reader(page(Run()))
    assert [tag for tag, _ in read.elements].count("script") == 0


@pytest.fixture(scope="module")
def exploding(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    done = trainlint("run", ROOT / "fixtures" / "exploding.py", "--device", "cpu", "--trial",
                     "clip-norm=1.0", "--html", folder / "out.html", "--save", folder / "run",
                     "--log-dir", folder / "log", "--output-format", "json",
                     "-o", folder / "out.json")  # fmt: skip
    assert done.returncode == 1, done.stderr
    return folder


def test_a_saved_run_is_told_again(exploding: Path, tmp_path: Path) -> None:
    done = trainlint("report", exploding / "run", "--output-format", "json", "--html",
                     tmp_path / "again.html", "--log-dir", tmp_path / "log")  # fmt: skip
    assert done.returncode == 1, done.stderr
    first = json.loads((exploding / "out.json").read_text())
    assert json.loads(done.stdout) == first
    page, again = ((folder / name).read_text() for folder, name in
                   ((exploding, "out.html"), (tmp_path, "again.html")))  # fmt: skip
    assert again == page
    assert list((tmp_path / "log" / "plain").iterdir())


def test_a_run_is_compared_with_itself_and_with_another(exploding: Path, tmp_path: Path) -> None:
    mended = tmp_path / "exploding.py"
    text = (ROOT / "fixtures" / "exploding.py").read_text().replace("lr=0.05", "lr=0.001")
    mended.write_text(text)
    done = trainlint("run", mended, "--device", "cpu", "--save", tmp_path / "after")
    assert done.returncode == 0, done.stdout + done.stderr
    same = trainlint("compare", exploding / "run", exploding / "run")
    assert same.returncode == 0
    assert "still there, 1 finding:" in same.stdout
    better = trainlint("compare", exploding / "run", tmp_path / "after")
    assert better.returncode == 0
    assert "gone, 1 finding:" in better.stdout
    assert "RUN104" in better.stdout
    worse = trainlint("compare", tmp_path / "after", exploding / "run", "--output-format", "json")
    assert worse.returncode == 1
    told = json.loads(worse.stdout)
    assert [one["code"] for one in told["new"]] == ["RUN104"]
    steps = next(one for one in told["measures"] if one["name"] == "optimizer steps")
    assert (steps["before"], steps["after"], steps["ratio"]) == (160, 160, 1)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "run.json").unlink(), "is no saved run: it has no run.json"),
        (lambda folder: (folder / "run.json").write_text("{"), "run.json is damaged"),
        (lambda folder: (folder / "record.jsonl").unlink(), "it has no record.jsonl"),
        (lambda folder: (folder / "run.json").write_text('{"format": 99}'), "it has format 99"),
    ],
)
def test_what_is_no_saved_run_is_told_so(
    exploding: Path, tmp_path: Path, damage: object, message: str
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(exploding / "run", folder)
    damage(folder)  # type: ignore[operator]
    for done in (trainlint("report", folder), trainlint("compare", folder, folder)):
        assert done.returncode == 2
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_a_saved_run_names_no_file_outside_of_it(exploding: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(exploding / "run", folder)
    index = json.loads((folder / "run.json").read_text())
    index["records"][""] = "../../secret.jsonl"
    (folder / "run.json").write_text(json.dumps(index))
    done = trainlint("report", folder)
    assert done.returncode == 2
    assert "lies outside of it" in done.stderr


def browser() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((found for name in names if (found := shutil.which(name))), None)


@pytest.mark.skipif(browser() is None, reason="needs Chromium")
def test_a_browser_draws_it(exploding: Path, tmp_path: Path) -> None:
    """What the scripts of the page made of it, without a network."""
    done = subprocess.run(
        [str(browser()), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
         f"--user-data-dir={tmp_path}", "--virtual-time-budget=20000",
         "--host-resolver-rules=MAP * ~NOTFOUND", f"file://{exploding / 'out.html'}"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    read = Reader(done.stdout)
    charts = [a for _, a in read.elements if (a.get("id") or "").startswith("chart-")]
    drawn = [a for _, a in read.elements if "main-svg" in (a.get("class") or "")]
    assert len(charts) >= 5
    assert len(drawn) >= len(charts)
    assert not [a for tag, a in read.elements if tag == "details" and "open" in a]
