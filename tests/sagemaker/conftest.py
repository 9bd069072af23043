"""A platform with an S3 server, and programs of users who have SageMaker's SDK: `make test-sagemaker`."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelyard.testing.aws.platform import REGION, AwsPlatform

BUCKET = "notebooks"
ROOT = Path(__file__).resolve().parents[2]
_QUIET = "SchemaVersion: '1.0'\nSageMaker:\n  PythonSDK:\n    Modules:\n      TelemetryOptOut: true\n"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsPlatform]:
    with AwsPlatform(tmp_path_factory.mktemp("sagemaker") / "home") as running:
        running.allow_code()
        running.client("s3").create_bucket(Bucket=BUCKET)
        yield running


@pytest.fixture
def user(platform: AwsPlatform, tmp_path: Path) -> Callable[..., str]:
    """`user(environment, program)` runs a program with the Python of one of the environments; what it printed."""

    def run(environment: str, program: str) -> str:
        (tmp_path / "program.py").write_text(program)
        (tmp_path / "config.yaml").write_text(_QUIET)
        key, secret = platform.key
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "AWS_ENDPOINT_URL": platform.url,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_DEFAULT_REGION": REGION,
            "SAGEMAKER_USER_CONFIG_OVERRIDE": str(tmp_path / "config.yaml"),
            "SAGEMAKER_VALIDATE_ROLE": "false",
            "BUCKET": BUCKET,
        }
        python = ROOT / environment / "bin" / "python"
        command = [str(python), "program.py"]
        done = subprocess.run(
            command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    return run
