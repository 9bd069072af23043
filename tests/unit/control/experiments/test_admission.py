"""Who may call which of MLflow's routes: paths, tokens, workspaces."""

import base64
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelyard.control.experiments.credentials import check_same_site, secret_of
from modelyard.control.experiments.errors import CrossSiteRequestError, TrackingRouteError
from modelyard.control.experiments.routes import action_of, is_removal
from modelyard.types.access import Action
from modelyard.types.experiments.workspaces import project_of, workspace_of


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/static-files/static/js/main.js"),
        ("GET", "/api/2.0/mlflow/runs/get"),
        ("POST", "/api/2.0/mlflow/runs/search"),
        ("POST", "/ajax-api/2.0/mlflow/experiments/search-datasets"),
        ("POST", "/api/2.0/mlflow/logged-models/search"),
        ("GET", "/api/2.0/mlflow-artifacts/artifacts/workspaces/a/1/x.txt"),
        ("GET", "/api/3.0/mlflow/workspaces"),
        ("POST", "/graphql"),
    ],
)
def test_looking_takes_the_right_to_read(method: str, path: str):
    assert action_of(method, path) is Action.READ


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/2.0/mlflow/runs/log-metric"),
        ("POST", "/api/2.0/mlflow/runs/search/x"),
        ("POST", "/api/2.0/mlflow/experiments/create"),
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/1/x.txt"),
        ("DELETE", "/api/2.0/mlflow/logged-models/m-1"),
        ("PATCH", "/api/2.0/mlflow/registered-models/update"),
    ],
)
def test_changing_takes_the_right_to_write(method: str, path: str):
    assert action_of(method, path) is Action.WRITE


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/2.0/mlflow/webhooks"),
        ("GET", "/ajax-api/3.0/mlflow/gateway/secrets/list"),
        ("GET", "/ajax-api/3.0/mlflow/assistant/config"),
        ("POST", "/ajax-api/3.0/mlflow/jobs/"),
        ("POST", "/api/3.0/mlflow/workspaces"),
        ("DELETE", "/api/3.0/mlflow/workspaces/red"),
        ("GET", "/api/2.0/mlflow/runs/../webhooks"),
        ("GET", "/api/2.0/mlflow/runsX"),
        ("POST", "/"),
        ("GET", "/gateway/chat"),
        ("POST", "/v1/traces"),
    ],
)
def test_everything_that_is_not_named_is_not_offered(method: str, path: str):
    with pytest.raises(TrackingRouteError):
        action_of(method, path)


def test_removals_are_told_from_other_changes():
    assert is_removal("POST", "/api/2.0/mlflow/runs/delete")
    assert is_removal("POST", "/api/2.0/mlflow/experiments/restore")
    assert is_removal("DELETE", "/api/2.0/mlflow-artifacts/artifacts/1/x")
    assert not is_removal("POST", "/api/2.0/mlflow/runs/log-metric")
    assert not is_removal("POST", "/api/2.0/mlflow/runs/delete-tag")
    assert not is_removal("DELETE", "/graphql")


def test_a_token_is_a_bearer_or_a_browser_s_password():
    password = base64.b64encode(b"anybody:my_secret:with-colon").decode()
    assert secret_of({"authorization": "Bearer my_secret"}) == "my_secret"
    assert secret_of({"authorization": f"basic {password}"}) == "my_secret:with-colon"
    for useless in ("", "Bearer ", "Basic !!!", "Basic " + base64.b64encode(b"\xff:\xff").decode(), "Digest x"):
        assert secret_of({"authorization": useless}) is None


def test_a_page_of_another_address_changes_nothing():
    here = {"x-forwarded-host": "yard.example:8470", "host": "inner"}
    check_same_site("POST", here)
    check_same_site("POST", {**here, "origin": "https://yard.example:8470"})
    check_same_site("GET", {**here, "origin": "https://evil.example"})
    for origin in ("https://evil.example", "https://yard.example", "null"):
        with pytest.raises(CrossSiteRequestError):
            check_same_site("POST", {**here, "origin": origin})


@given(st.from_regex(r"[a-z0-9._-]{1,63}", fullmatch=True))
@example("api")
@example("project-team-ua")
@example("team_a")
@example("x" * 62 + "_")
def test_projects_have_workspaces_that_mlflow_allows_and_that_tell_the_project(project):
    workspace = workspace_of(project)
    assert re.fullmatch("[a-z0-9][-a-z0-9]{0,61}[a-z0-9]", workspace)
    assert workspace not in ("api", "workspaces", "ajax-api", "static-files")
    if not workspace.startswith("project--"):
        assert project_of(workspace) == project


def test_a_workspace_is_named_as_its_project_where_that_is_possible():
    assert workspace_of("team-a") == "team-a"
    assert workspace_of("team_a") == "project-team-ua"
    assert len({workspace_of(f"{'_' * 62}{last}") for last in "abc"}) == 3
    assert project_of("team_a") == "team_a"  # the project's own name is understood too
