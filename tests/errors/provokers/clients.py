"""Errors that the Python client and the command line find by themselves."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import httpx
from stage import Stage

import modelyard
from modelyard.cli.commands.compute.options import read_settings
from modelyard.cli.commands.platform import _running, down
from modelyard.cli.commands.serving import feedback
from modelyard.cli.data import read_truth
from modelyard.cli.session import Session
from modelyard.sdk.connection import find_connection
from provokers.registration import provokes

_IGNORES_SIGTERM = (
    "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint(flush=True)\ntime.sleep(60)"
)


def client(answer: Callable[[httpx.Request], httpx.Response]) -> modelyard.Client:
    """A client whose network is `answer`."""
    return modelyard.Client("http://127.0.0.1:8470", "my_token", transport=httpx.MockTransport(answer))


@provokes("answer_invalid")
def answer_invalid(_stage: Stage) -> None:
    with client(lambda _: httpx.Response(200, json={"surprise": 1})) as talker:
        talker.models.get("digits")


@provokes("connection_lost")
def connection_lost(_stage: Stage) -> None:
    def lose(_: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("connection reset by peer")

    with client(lose) as talker, mock.patch("time.sleep"):
        talker.models.get("digits")


@provokes("server_unreachable")
def server_unreachable(_stage: Stage) -> None:
    with modelyard.Client("http://127.0.0.1:1", "my_token") as talker, mock.patch("time.sleep"):
        talker.models.get("digits")


@provokes("content_damaged")
def content_damaged(stage: Stage) -> None:
    made = stage.dataset(b"a,b\n1,2\n3,4\n").raise_for_status().json()

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/content"):
            return httpx.Response(200, content=b"a,b\n1,2\n3,5\n")
        return httpx.Response(200, json=made)

    with client(answer) as talker:
        talker.datasets.download(made["dataset"], stage.folder() / "table.csv")


@provokes("wait_timeout")
def wait_timeout(stage: Stage) -> None:
    with modelyard.Client(stage.url, stage.token) as talker:
        made = talker.endpoints.get(stage.endpoint)
    starting = {**_plain(made), "status": "CREATING"}
    with client(lambda _: httpx.Response(200, json=starting)) as talker:
        talker.endpoints.wait(stage.endpoint, timeout_seconds=0.1)


@provokes("wait_failed")
def wait_failed(stage: Stage) -> None:
    with modelyard.Client(stage.url, stage.token) as talker:
        talker.endpoints.wait(stage.endpoint, timeout_seconds=120)


@provokes("file_missing")
def file_missing(_stage: Stage) -> None:
    with client(lambda _: httpx.Response(500)) as talker:
        talker.models.register("digits", Path("model.onnx"))


@provokes("not_configured")
def not_configured(stage: Stage) -> None:
    with mock.patch.dict(os.environ):
        os.environ.pop("MODELYARD_URL", None)
        find_connection(None, None, stage.folder())


@provokes("data_invalid")
def data_invalid(_stage: Stage) -> None:
    spec = {"name": "numeric", "datatype": "FP32", "shape": [-1, 2], "columns": ["age", "income"]}
    described = {"name": "people", "versions": ["1"], "platform": "onnx", "inputs": [spec], "outputs": []}
    with client(lambda _: httpx.Response(200, json=described)) as talker:
        talker.predict("people", [{"age": 41}])


@provokes("data_unreadable")
def data_unreadable(stage: Stage) -> None:
    read_truth(stage.folder() / "truth.csv")


@provokes("file_kind_unknown")
def file_kind_unknown(_stage: Stage) -> None:
    with client(lambda _: httpx.Response(200)) as talker:
        talker.captures.export("digits", "captures.xlsx")


@provokes("setting_invalid")
def setting_invalid(_stage: Stage) -> None:
    read_settings(["epochs"])


@provokes("truth_missing")
def truth_missing(stage: Stage) -> None:
    feedback(_session(stage.folder()), "digits", "inf-1")


@provokes("stop_failed")
def stop_failed(stage: Stage) -> None:
    home = stage.folder()
    process = subprocess.Popen([sys.executable, "-c", _IGNORES_SIGTERM, "modelyard.server"], stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        _write_state(home, json.dumps({"pid": process.pid}))
        with mock.patch("modelyard.cli.commands.platform._STOP_SECONDS", 1.0):
            down(_session(home))
    finally:
        process.kill()
        process.communicate()


@provokes("error")
def error(stage: Stage) -> None:
    home = stage.folder()
    _write_state(home, "{")
    _running(home)


def _write_state(home: Path, content: str) -> None:
    (home / "run").mkdir()
    (home / "run" / "platform.json").write_text(content)


def _session(home: Path) -> Session:
    return Session(project="default", url="", home=home, is_json=True)


def _plain(value: object) -> dict:
    import msgspec

    return msgspec.to_builtins(value)
