"""The TensorBoard log, read back with TensorBoard's own reader."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from run_builder import epochs, evaluate, new_run, read_log, step

from trainlint.finding import Evidence, Finding, Location, Severity
from trainlint.runtime_checks.board import BoardError, finding_marks, folder_name, write_board
from trainlint.runtime_checks.record import dump_line
from trainlint.runtime_checks.run import Run


def save(run: Run, path: Path) -> Path:
    lines = [run.start, *run.optimizers.values(), *run.steps, *run.evaluations, run.end]
    path.write_text("".join(dump_line(line) for line in lines if line is not None))
    return path


@pytest.fixture
def run() -> Run:
    run = new_run()
    for number in range(6):
        step(run, 10.0 + number, 1.0, norm_after=1.0, lrs=[0.5], update_ratio=0.25)
    evaluate(run, 0.75)
    return run


FINDING = Finding(
    "RUN104",
    "exploding-gradients",
    "it explodes",
    Severity.ERROR,
    Location("train.py", 22),
    evidence=(Evidence("baseline", 1.0), Evidence("norm", 5.0, 4), Evidence("peak", 9.0, 5)),
)


def test_curves_findings_and_trials_are_written(run: Run, tmp_path: Path) -> None:
    record = save(run, tmp_path / "plain.jsonl")
    other = save(epochs([1.0], [2.0]), tmp_path / "clip-norm=1.0.jsonl")
    logs = tmp_path / "logs"
    for _ in range(2):  # the second call supersedes the first
        write_board(record, logs, [FINDING], [("clip-norm=1.0", other)])
    plain = read_log(logs / "plain")
    values = {tag: [(e.step, e.value) for e in plain.Scalars(tag)] for tag in plain.scalars.Keys()}
    assert values["gradient_norm/before_clipping"] == [(n, 10.0 + n) for n in range(6)]
    assert values["gradient_norm/after_clipping"] == [(n, 1.0) for n in range(6)]
    assert values["learning_rate"][0] == (0, 0.5)
    assert values["update_ratio"][5] == (5, 0.25)
    assert values["loss/training"][0] == (0, 1.0)
    assert values["loss/evaluation"] == [(6, 0.75)]
    assert values["findings/RUN104"] == [(4, 1.0)]
    text = plain.Tensors("findings/RUN104/text_summary")[-1]
    assert text.step == 4
    assert text.tensor_proto.string_val[0] == b"train.py:22:1: it explodes"
    assert [e.value for e in read_log(logs / "clip-norm=1.0").Scalars("loss/evaluation")] == [2.0]


def test_what_cannot_be_written_is_one_line(run: Run, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file")
    with pytest.raises(BoardError, match="was not written") as caught:
        write_board(save(run, tmp_path / "r.jsonl"), taken, [])
    assert "\n" not in str(caught.value)


def test_a_finding_without_a_step_stands_at_zero() -> None:
    plain = Finding("TRN001", "x", "m", Severity.ERROR, Location("a.py", 1))
    assert finding_marks([plain]) == [{"code": "TRN001", "text": "a.py:1:1: m", "step": 0}]
    assert finding_marks([FINDING])[0]["step"] == 4


def test_folder_names_are_tame() -> None:
    assert folder_name("clip-norm=1.0") == "clip-norm=1.0"
    assert folder_name("../x y") == "_x_y"
    assert folder_name("..") == "trial"


def test_judging_and_reporting_never_import_torch() -> None:
    code = (
        "import sys, trainlint.pairing\n"
        "from trainlint.runtime_checks import board, detection, export, report, run\n"
        "detection.judge(run.Run())\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_layout_puts_losses_first(run: Run, tmp_path: Path) -> None:
    from tensorboard.plugins.custom_scalar import layout_pb2

    write_board(save(run, tmp_path / "plain.jsonl"), tmp_path / "logs", [])
    plain = read_log(tmp_path / "logs" / "plain")
    value = plain.Tensors("custom_scalars__config__")[0].tensor_proto.string_val[0]
    charts = layout_pb2.Layout.FromString(value).category[0].chart
    assert [chart.title for chart in charts] == [
        "losses", "gradient norm", "update of the weights", "learning rate"]  # fmt: skip
    assert list(charts[0].multiline.tag) == ["loss/training", "loss/evaluation"]
    assert set(charts[1].multiline.tag) <= set(plain.scalars.Keys())


def test_the_tensors_norms_are_a_histogram(tmp_path: Path) -> None:
    run = new_run()
    for number in range(3):
        step(run, norms=[1.0, 10.0, 0.0, float("nan")] if number == 1 else None)
    write_board(save(run, tmp_path / "plain.jsonl"), tmp_path / "logs", [])
    found = read_log(tmp_path / "logs" / "plain").Histograms("gradient_norm_of_tensors/SGD_1")
    assert [one.step for one in found] == [1]
    assert (found[0].histogram_value.min, found[0].histogram_value.max) == (0.0, 1.0)


def test_trials_are_compared_by_what_was_changed(run: Run, tmp_path: Path) -> None:
    from tensorboard.plugins.hparams import plugin_data_pb2

    record = save(run, tmp_path / "plain.jsonl")
    write_board(record, tmp_path / "logs", [], [("lr=0.1", record), ("weight-norm", record)])
    told = {}
    for name in ("plain", "lr=0.1", "weight-norm"):
        log = read_log(tmp_path / "logs" / name)
        content = log.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
        start = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
        told[name] = {key: value.string_value or value.number_value
                      for key, value in start.hparams.items()}  # fmt: skip
        assert log.Scalars("result/training_loss")[0].value == 1.0
        assert log.Scalars("result/peak_norm")[0].value == 15.0
    assert told == {
        "plain": {"trial": "plain"},
        "lr=0.1": {"trial": "lr", "value": 0.1},
        "weight-norm": {"trial": "weight-norm"},
    }
