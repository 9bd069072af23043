"""The root above the applications: the page, and mistyped paths."""

import pytest
from fastapi.testclient import TestClient

from modelyard.control.rest.application import create_application
from modelyard.server.applications.application import Application
from modelyard.server.control import mount


@pytest.fixture
def client(list_audit) -> TestClient:
    registry = create_application(title="Registry", description="", routers=[], audit=list_audit, version="0")
    return TestClient(mount([Application(name="registry", asgi=registry)]))


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_the_page_names_the_api_pages_of_each_application(client: TestClient, path: str):
    assert '<a href="/registry/v1/docs">' in client.get(path).text


@pytest.mark.parametrize(("path", "pages"), [("/registry/v2/x", "/docs"), ("/registry/v1/x", "/registry/v1/docs")])
def test_a_mistyped_path_is_answered_with_where_the_right_ones_stand(client: TestClient, path: str, pages: str):
    answer = client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "route_not_found")
    assert f"({pages})" in answer.json()["hint"]
    assert client.get(pages).status_code == 200
