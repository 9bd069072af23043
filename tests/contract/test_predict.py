"""`client.predict` against a real gateway and a real worker, with every form of data that people have."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from modelyard import AsyncClient, Client
from modelyard.errors import InvalidInputError, NotFoundError
from modelyard.runtimes.bundle import write_manifest
from modelyard.runtimes.convert import convert_estimator
from modelyard.runtimes.formats.skops import estimator_signature
from modelyard.runtimes.inspect import inspect
from modelyard.sdk.inputs import DataInvalidError
from modelyard.testing.serving import TOKEN, Serving, endpoint, variant

COLUMNS = ["height", "width"]
ROWS = np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 0.1], [0.9, 1.0]], np.float32)
KINDS = np.array(["small", "big", "small", "big"])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    model = LogisticRegression(C=1000).fit(ROWS, KINDS)
    model.feature_names_in_ = np.array(COLUMNS, dtype=object)
    signature = estimator_signature(model)
    artifact = folder.parent / "model.onnx"
    artifact.write_bytes(convert_estimator(model, signature))
    manifest = inspect(artifact, folder)
    write_manifest(folder, replace(manifest, signature=signature))
    return folder


@pytest.fixture(scope="module")
def url(bundle, tmp_path_factory):
    with Serving(tmp_path_factory.mktemp("serving")) as serving:
        worker = serving.start_worker("worker", bundle)
        serving.start_gateway()
        serving.publish(endpoint("boxes", variant(worker, model="boxes", number=3)))
        yield serving.url


@pytest.fixture(scope="module")
def client(url):
    with Client(url, TOKEN) as made:
        yield made


@pytest.mark.parametrize(
    "data",
    [
        ROWS,
        ROWS.astype(np.float64),
        np.asfortranarray(ROWS),
        ROWS.tolist(),
        {"numeric": ROWS},
        [{"height": h, "width": w, "kind": "not an input"} for h, w in ROWS.tolist()],
        [{"width": str(w), "height": np.float32(h)} for h, w in ROWS],
        "width,height,kind\n0,0,x\n1,1,x\n0.1,0,x\n1.0,0.9,x\n",
    ],
    ids=["array", "float64", "fortran", "lists", "by input", "dicts", "text and numpy numbers", "csv"],
)
def test_every_form_of_data_gets_the_same_labels_with_confidences(data, client):
    answer = client.predict("boxes", data)
    assert answer.labels == KINDS.tolist()
    assert len(answer) == 4
    assert all(0.5 < confidence <= 1 for confidence in answer.confidences)
    assert answer[0].probabilities["small"] == answer[0].confidence
    assert set(answer[0].probabilities) == {"big", "small"}
    assert (answer.model, answer.variant) == ("boxes:3", "main")
    assert answer.inference_id.startswith("inf-")


def test_one_row_needs_no_batch_around_it(client, tmp_path):
    (tmp_path / "one.csv").write_text("height,width\n1,1\n")
    for data in (ROWS[1], ROWS[1].tolist(), {"height": 1, "width": 1}, tmp_path / "one.csv", str(tmp_path / "one.csv")):
        assert client.predict("boxes", data).labels == ["big"]


def test_the_asynchronous_client_answers_the_same(url):
    async def ask():
        async with AsyncClient(url, TOKEN) as client:
            answers = await asyncio.gather(*(client.predict("boxes", ROWS) for _ in range(20)))
            return [answer.labels for answer in answers]

    assert asyncio.run(ask()) == [KINDS.tolist()] * 20


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        ([{"heigth": 1, "width": 1}], DataInvalidError, "no column 'height'"),
        ([{"height": "tall", "width": 1}], DataInvalidError, "'tall' is no number"),
        ([[1, 2], [3]], DataInvalidError, "differ in length"),
        ("height,width\n", DataInvalidError, "no rows"),
        (np.ones((2, 3), np.float32), InvalidInputError, "shape"),
        ([{"height": float("nan"), "width": 1}], InvalidInputError, "nan"),
    ],
)
def test_data_that_do_not_fit_are_refused_with_the_place(data, error, words, client):
    with pytest.raises(error, match=words) as refused:
        client.predict("boxes", data)
    assert refused.value.hint


def test_an_unknown_endpoint_is_told(client):
    with pytest.raises(NotFoundError, match="boxs"):
        client.predict("boxs", ROWS)
