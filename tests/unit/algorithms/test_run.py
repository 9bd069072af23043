"""The job runner as a process."""

import json
import signal
import subprocess
import sys
import time

import pytest

from modelyard.algorithms.errors import JobFileInvalidError
from modelyard.algorithms.jobfile import JobFault, JobFile, JobResult

COMMAND = (sys.executable, "-W", "error", "-m", "modelyard.algorithms.run", "--job")
NAME = "image-classification"


def run(folder):
    return subprocess.run([*COMMAND, str(folder)], capture_output=True, text=True, timeout=120, check=False)


def test_a_job_logs_lines_and_metrics_and_leaves_bundle_and_result(workshop, digits):
    channel = workshop.images(digits[0][:300], digits[1][:300])
    folder = workshop.write(NAME, {"train": channel}, hyperparameters={"network": "mlp", "epochs": 3})
    ended = run(folder)
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    metrics = [json.loads(line.removeprefix("metric ")) for line in lines if line.startswith("metric ")]
    assert [point["step"] for point in metrics if point["name"] == "train_accuracy"] == [1, 2, 3]
    assert any(" 3/3: train_loss" in line for line in lines)
    result = JobResult.read(folder / "result.json")
    assert result.error is None
    assert result.figures["accuracy"] == next(m["value"] for m in metrics if m["name"] == "holdout_accuracy")
    assert (folder / "output" / "manifest.json").is_file()


@pytest.mark.parametrize(
    ("recipe", "code", "field"),
    [
        ({"algorithm": "image-clasification"}, "algorithm_not_found", "algorithm"),
        ({"algorithm": NAME, "hyperparameters": {"epoch": 3}}, "hyperparameter_invalid", "hyperparameters.epoch"),
        ({"algorithm": "linear-regression", "target": "y"}, "channel_invalid", "channels.train"),
    ],
)
def test_an_error_of_ours_ends_with_code_2_and_says_what_to_do(workshop, digits, recipe, code, field):
    channel = workshop.images(digits[0][:50], digits[1][:50])
    folder = workshop.write(channels={"train": channel}, **recipe)
    ended = run(folder)
    error = JobResult.read(folder / "result.json").error
    assert (ended.returncode, error.code, error.field) == (2, code, field)
    assert error.hint
    assert f"error {code}: {error.message}" in ended.stdout


def test_channels_that_an_algorithm_does_not_have_are_refused(workshop, digits):
    channel = workshop.images(digits[0][:50], digits[1][:50])
    for channels, said in (({"validation": channel, "train": channel}, "no channel 'validation'"), ({}, "no 'train'")):
        folder = workshop.write(NAME, channels)
        assert run(folder).returncode == 2
        assert said in JobResult.read(folder / "result.json").error.message


def test_a_defect_ends_with_code_1_and_a_traceback(workshop, digits):
    channel = workshop.images(digits[0][:300], digits[1][:300])
    folder = workshop.write(NAME, {"train": channel})
    (folder / "output").write_text("a file where a folder must be")
    ended = run(folder)
    assert ended.returncode == 1
    assert "Traceback" in ended.stderr
    assert "FileExistsError" in JobResult.read(folder / "result.json").error.message


def test_sigterm_ends_a_job_cleanly(workshop, digits):
    channel = workshop.images(*digits)
    folder = workshop.write(NAME, {"train": channel}, hyperparameters={"network": "mlp", "epochs": 10_000})
    process = subprocess.Popen([*COMMAND, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert any(line.startswith("metric ") for line in process.stdout)  # flushed while it runs
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=30)
        assert process.returncode == 128 + signal.SIGTERM
        assert time.monotonic() - started < 10
        assert output.endswith("stopped: SIGTERM\n")
        assert errors == ""
        assert not (folder / "result.json").exists()
    finally:
        process.kill()
        process.wait()


def test_the_job_file_and_the_result_survive_the_round_trip(workshop, digits, tmp_path):
    channel = workshop.images(digits[0][:30], digits[1][:30])
    folder = workshop.write("evaluation", {"old": channel}, candidates={"digits:1": tmp_path}, seed=7)
    job = JobFile.read(folder / "job.json")
    assert (job.channels, job.candidates, job.recipe.seed) == ({"old": channel}, {"digits:1": tmp_path}, 7)
    result = JobResult(figures={"accuracy": 0.5}, error=JobFault(code="x", message="y"))
    result.write(tmp_path / "result.json")
    assert JobResult.read(tmp_path / "result.json") == result


def test_damaged_job_files_are_named(tmp_path):
    with pytest.raises(JobFileInvalidError, match=r"no 'job\.json'"):
        JobFile.read(tmp_path / "job.json")
    (tmp_path / "job.json").write_text('{"recipe": 1}')
    with pytest.raises(JobFileInvalidError, match=r"'job.json' cannot be read"):
        JobFile.read(tmp_path / "job.json")
