"""Forecasts on a whole platform: the tutorial's commands, and the form of SageMaker's DeepAR."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from modelyard.kit.files import sha256_file
from modelyard.sdk.client import Client
from modelyard.testing.data.series import PASSENGERS
from modelyard.testing.docs.guide import Guide
from modelyard.testing.programs import Program

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]  # more than all that they wait for
BUDGET = 150


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    program = Program(tmp_path_factory.mktemp("forecasting") / "home", "modelyard.server.up")
    try:
        program.start("--port", "0")
        yield program
    finally:
        program.end()


def test_the_commands_of_the_tutorial_run_and_the_forecaster_serves(tmp_path: Path, platform: Program) -> None:
    url = platform.ready()
    longer = {"--seconds 60": f"--seconds {BUDGET}"}
    told = Guide("docs/tutorials/forecasting.md").follow(tmp_path, platform.home, seconds=500, instead=longer)
    assert "Registered passengers:1" in told
    lines = re.findall(r"^1961-(\d\d) +([\d.]+) +\(80 %: +([\d.]+) to +([\d.]+)\)$", told, re.MULTILINE)
    assert [month for month, *_ in lines] == [f"{month:02d}" for month in range(1, 13)]
    assert all(float(low) < float(mean) < float(high) for _, mean, low, high in lines)
    months = [float(mean) for _, mean, *_ in lines]
    assert months.index(max(months)) in (6, 7), "the summer"
    with Client(url, platform.token) as client:
        version = client.models.get("passengers:1")
        artifact = next(each for each in version.files if each.path == "model.onnx")
        assert sha256_file(tmp_path / "again" / "output" / "model.onnx") == artifact.digest
        job = client.jobs.get(version.lineage.job)
        assert (job.ended_at - job.started_at).total_seconds() <= 1.1 * BUDGET
        report = client.automl.report(job.id)
        assert (report.task, report.objective) == ("forecasting", "mase")
        assert report.leaderboard()[0].score < report.feasibility.guess
        headers = {"Authorization": f"Bearer {platform.token}"}
        predicted = httpx.post(
            f"{url}/endpoints/passengers/invocations",
            json={"instances": [{"target": PASSENGERS.tolist()}], "configuration": {"quantiles": ["0.5"]}},
            headers=headers,
            timeout=60,
        ).json()["predictions"][0]
        window = next(spec.shape[1] for spec in version.manifest.signature.inputs)
        answer = client.predict("passengers", {"series": [PASSENGERS[-window:].tolist()]})
        assert predicted["mean"] == pytest.approx(answer.outputs["mean"].data, rel=1e-5)
        assert len(predicted["quantiles"]["0.5"]) == 12
        assert client.feedback("passengers", {answer.inference_id: 450.0}).accepted == 1
