"""The real AutoGluon on a whole platform, in the ready-made environment that a package index is asked for."""

from pathlib import Path

import pytest
from sklearn.datasets import load_wine

from modelyard.sdk.client import Client
from modelyard.testing.programs import Program

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # building the environment takes minutes


def test_autogluon_is_compared_on_the_same_folds_and_the_winner_is_one_of_ours(tmp_path: Path) -> None:
    load_wine(as_frame=True).frame.to_csv(tmp_path / "wine.csv", index=False)
    program = Program(tmp_path / "home", "modelyard.server.up")
    try:
        with Client(program.start("--port", "0").ready(), program.token) as client:
            client.projects.allow_code("default", "to compare with AutoGluon")
            client.environments.build("autogluon")
            client.datasets.upload("wine", tmp_path / "wine.csv")
            job = client.automl.start(
                "wine",
                target="target",
                task="classification",
                model="wine",
                budget_seconds=240,
                max_candidates=6,
                autogluon="autogluon",
                wait=True,
            )
            report = client.automl.report(job.id)
            (found,) = [each for each in report.candidates if each.algorithm == "autogluon"]
            assert (found.status, found.message) == ("completed", "")
            assert (len(found.folds), found.is_deployable) == (report.folds, False)
            assert found.score is not None
            assert found.score < 0.5
            assert report.winner != found.number
            assert job.result["model_version"] == "wine:1"
    finally:
        program.end()
