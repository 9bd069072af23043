"""The page of an endpoint: its description is valid, its examples are answered, nothing comes from elsewhere."""

import json
import re
from collections.abc import Iterator

import httpx
import pytest

from modelyard.testing.same_model import same_bundle
from modelyard.testing.scripted_model import AUTHORIZATION
from modelyard.testing.serving import Serving, endpoint, variant
from modelyard.types.signatures import DataType, TensorSpec

TABLE = (
    TensorSpec(name="numeric", datatype=DataType.FP32, shape=(-1, 2), columns=("it's", "pay"), allows_missing=True),
    TensorSpec(name="categorical", datatype=DataType.BYTES, shape=(-1, 1), columns=("job",), allows_missing=True),
)
SEVERAL = (
    TensorSpec(name="numbers", datatype=DataType.INT64, shape=(-1, 2, -1)),
    TensorSpec(name="flag", datatype=DataType.BOOL, shape=(-1,)),
)
PICTURE = (TensorSpec(name="pixels", datatype=DataType.UINT8, shape=(-1, 224, 224, 3)),)


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("pages")
    with Serving(folder) as serving:
        models = {"table": TABLE, "several": SEVERAL, "picture": PICTURE}
        workers = {name: serving.start_worker(name, same_bundle(folder / name, *each)) for name, each in models.items()}
        serving.start_gateway()
        serving.publish(*(endpoint(name, variant(worker)) for name, worker in workers.items()))
        yield serving


def described(serving: Serving, name: str) -> dict:
    return httpx.get(f"{serving.url}/endpoints/{name}/openapi.json", headers=AUTHORIZATION).raise_for_status().json()


@pytest.mark.parametrize(("name", "examples"), [("table", 3), ("several", 2), ("picture", 0)])
def test_every_example_of_the_page_is_answered(serving: Serving, name: str, examples: int):
    tried = 0
    for path, methods in described(serving, name)["paths"].items():
        for method, operation in methods.items():
            for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
                if (example := content.get("example")) is not None:
                    body = example if isinstance(example, str) else json.dumps(example)
                    answer = httpx.request(
                        method,
                        serving.url + path,
                        content=body,
                        headers={"Content-Type": media_type, **AUTHORIZATION},
                    )
                    assert answer.status_code == 200, answer.text
                    tried += 1
    assert tried == examples


def test_the_description_says_what_a_row_is(serving: Serving):
    document = described(serving, "table")
    content = document["paths"]["/endpoints/table/invocations"]["post"]["requestBody"]["content"]
    row = content["application/json"]["schema"]["properties"]["instances"]["items"]
    assert row["properties"]["pay"] == {"type": ["number", "null"]}
    assert row["properties"]["job"] == {"type": ["string", "null"]}
    assert "`pay`" in document["info"]["description"]
    assert "@image.png" in described(serving, "picture")["info"]["description"]


def test_the_page_loads_nothing_from_elsewhere_and_shows_nothing_without_a_token(serving: Serving):
    base = f"{serving.url}/endpoints/table/"
    page = httpx.get(f"{base}docs")
    assert page.headers["content-type"] == "text/html"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(links) == 5
    assert "//" not in page.text.replace("<!doctype html>", "")
    for link in links:
        answer = httpx.get(base + link)
        assert (answer.status_code, bool(answer.content)) == (200, True)
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert httpx.get(f"{base}openapi.json").status_code == 401
    assert httpx.get(f"{base}docs/other.js").status_code == 404
    assert httpx.get(f"{base}docs/..%2fdialect.py").status_code == 404


def test_a_name_in_the_path_is_no_way_into_the_page(serving: Serving):
    page = httpx.get(f"{serving.url}/endpoints/%3Cscript%3E/docs").text
    assert "<script>" not in page.replace('<script src="', "")
    assert "&lt;script&gt;" in page
