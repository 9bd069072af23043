"""Errors of jobs that run people's own code."""

import io
import zipfile
from functools import cache
from types import SimpleNamespace
from unittest import mock

import httpx
from stage import Stage

import modelyard
from modelyard.cli.commands.compute.scripts import rerun
from modelyard.control.jobs.scripts.java import find_java
from modelyard.control.jobs.scripts.results import ScriptResults
from modelyard.storage.objects import open_objects
from modelyard.types.scripting.reruns import Difference, Verification
from provokers.jobs import train
from provokers.registration import provokes


@cache
def permitting_project(stage: Stage) -> str:
    """A project that permits code."""
    project = stage.name()
    stage.call("POST", "/registry/v1/projects", json={"name": project}).raise_for_status()
    leave = {"reason": "a test"}
    stage.call("PUT", f"/registry/v1/projects/{project}/code-permission", json=leave).raise_for_status()
    return project


def run(stage: Stage, **body: object) -> httpx.Response:
    return stage.call("POST", f"/jobs/v1/projects/{permitting_project(stage)}/script-jobs", json=body)


@provokes("script_forbidden")
def script_forbidden(stage: Stage) -> httpx.Response:
    return stage.jobs_call("POST", "/script-jobs", json={"code": "0" * 64, "entry_point": "train.py"})


@provokes("snapshot_invalid")
def snapshot_invalid(stage: Stage) -> httpx.Response:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("../train.py", "print()")
    snapshots = f"/jobs/v1/projects/{permitting_project(stage)}/snapshots"
    return stage.call("POST", snapshots, content=packed.getvalue())


@provokes("snapshot_not_found")
def snapshot_not_found(stage: Stage) -> httpx.Response:
    return run(stage, code="0" * 64, entry_point="train.py")


@provokes("output_not_found")
def output_not_found(_stage: Stage) -> None:
    job = SimpleNamespace(id="job-1")
    ScriptResults(None, None, open_objects("memory://")).stream(job, "output/plot.png")


@provokes("java_missing")
def java_missing(stage: Stage) -> None:
    find_java({}, stage.folder())


@provokes("code_too_large")
def code_too_large(stage: Stage) -> None:
    folder = stage.folder()
    (folder / "train.py").write_bytes(bytes(17 << 20))
    with modelyard.Client("http://127.0.0.1:1", "my_token") as client:
        client.jobs.run(folder, entry_point="train.py")


@provokes("rerun_impossible")
def rerun_impossible(stage: Stage) -> httpx.Response:
    job = train(stage, resources={"cpus": 1}).raise_for_status().json()["id"]
    stage.jobs_call("POST", f"/jobs/{job}/stop")
    return stage.jobs_call("POST", f"/jobs/{job}/rerun")


@provokes("rerun_differs")
def rerun_differs(_stage: Stage) -> None:
    changed = Difference(name="model/model.onnx", before="1" * 64, after="2" * 64)
    found = Verification(job="job-1", rerun="job-2", is_same=False, differences=(changed,))
    client = mock.MagicMock()
    client.jobs.rerun.return_value.id = "job-2"
    client.jobs.verification.return_value = found
    session = mock.MagicMock(client=client)
    session.out.waiting.return_value.__exit__.return_value = False
    rerun(session, "job-1", verify=True)
