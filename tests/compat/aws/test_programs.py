"""Programs as their users start them: with the printed environment, and by `modelyard aws run`."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

MODELYARD = (sys.executable, "-m", "modelyard.cli.main")
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MODELYARD_"))}
PROGRAM = """
import boto3, sys
from botocore.exceptions import ClientError

s3 = boto3.client("s3")
s3.create_bucket(Bucket="program-data")
s3.put_object(Bucket="program-data", Key="wine.csv", Body=b"1,2")
print(s3.get_object(Bucket="program-data", Key="wine.csv")["Body"].read().decode(), *sys.argv[1:])
"""
STS = """
import boto3

client = boto3.client("sts", region_name="us-west-2", endpoint_url="https://sts.us-west-2.amazonaws.com")
print(client.get_caller_identity()["Arn"])
raise SystemExit(3)
"""


def run(*command: str, environment: dict[str, str] = CLEAN) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def variables(platform) -> dict[str, str]:
    printed = run(*MODELYARD, "aws-credentials", "--home", str(platform.program.home))
    assert printed.returncode == 0, printed.stderr
    lines = [shlex.split(line) for line in printed.stdout.splitlines()]
    assert all(words[0] == "export" and len(words) == 2 for words in lines)
    return dict(words[1].split("=", 1) for words in lines)


def test_the_printed_environment_is_all_that_a_program_needs(variables, platform, tmp_path):
    names = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"}
    assert set(variables) == names
    assert variables["AWS_ENDPOINT_URL"] == platform.url
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    finished = run(sys.executable, str(program), environment=CLEAN | variables)
    assert finished.stdout.strip() == "1,2", finished.stderr


def test_a_program_that_names_amazons_sts_gets_the_platforms(platform, tmp_path: Path):
    program = tmp_path / "sts.py"
    program.write_text(STS)
    finished = run(*MODELYARD, "aws", "run", str(program), "--home", str(platform.program.home))
    assert (finished.returncode, "user/default/aws-credentials" in finished.stdout) == (3, True), finished.stderr
