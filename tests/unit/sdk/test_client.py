"""Both clients do the same: retries by type, no creation twice, pages, errors, waiting."""

import asyncio
import inspect
from datetime import UTC, datetime

import pytest

import modelyard
from modelyard import errors
from modelyard.sdk.errors import AnswerInvalidError, ConnectionLostError, NotConfiguredError, ServerUnreachableError
from modelyard.testing.fake_platform import Answer, FakePlatform
from modelyard.types.access import Project

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PROJECTS = "/registry/v1/projects"


def project(name: str) -> Project:
    return Project(name=name, description="", created_at=NOW, updated_at=NOW, version=1)


def fault(status: int, code: str, **headers: str) -> Answer:
    return Answer(status=status, headers=headers, body={"code": code, "message": "words", "hint": "do", "field": "f"})


class Both:
    """Runs the same call on one of the clients and waits for the result."""

    def __init__(self, url: str, *, is_async: bool) -> None:
        self.url, self.is_async = url, is_async

    def __call__(self, call):
        if not self.is_async:
            with modelyard.Client(self.url, "secret") as client:
                found = call(client)
                return [*found] if inspect.isgenerator(found) else found

        async def run():
            async with modelyard.AsyncClient(self.url, "secret") as client:
                found = call(client)
                return [item async for item in found] if inspect.isasyncgen(found) else await found

        return asyncio.run(run())


@pytest.fixture
def platform():
    with FakePlatform() as running:
        yield running


@pytest.fixture(params=["Client", "AsyncClient"])
def both(request, platform):
    return Both(platform.url, is_async=request.param == "AsyncClient")


def test_an_answer_becomes_the_dataclass_and_the_token_is_sent(both, platform):
    platform.prepare("GET", f"{PROJECTS}/alpha", Answer(body=project("alpha")))
    assert both(lambda client: client.projects.get("alpha")) == project("alpha")
    assert platform.requests[0].headers["authorization"] == "Bearer secret"


def test_a_list_is_an_iterator_over_all_pages(both, platform):
    platform.prepare(
        "GET",
        PROJECTS,
        Answer(body={"items": [project("a"), project("b")], "next_cursor": "two"}),
        Answer(body={"items": [project("c")], "next_cursor": None}),
    )
    assert [each.name for each in both(lambda client: client.projects.list())] == ["a", "b", "c"]
    assert [request.query.get("cursor") for request in platform.requests] == [None, "two"]


def test_temporary_errors_are_tried_again_with_the_same_idempotency_key(both, platform):
    platform.prepare(
        "POST",
        PROJECTS,
        fault(503, "unavailable", **{"Retry-After": "0"}),
        fault(429, "overloaded", **{"Retry-After": "0"}),
        Answer(break_after=0),
        Answer(status=201, body=project("alpha")),
    )
    assert both(lambda client: client.projects.create("alpha")).name == "alpha"
    keys = {request.headers["idempotency-key"] for request in platform.requests}
    assert len(platform.requests) == 4
    assert len(keys) == 1


def test_a_request_that_must_not_be_repeated_is_not_when_nobody_knows_whether_it_was_carried_out(both, platform):
    platform.prepare("POST", "/registry/v1/tokens", Answer(break_after=0))
    with pytest.raises(ConnectionLostError):
        both(lambda client: client.tokens.create("ci", "viewer"))
    assert len(platform.requests) == 1


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "invalid_input", errors.InvalidInputError),
        (400, "query_invalid", errors.InvalidInputError),
        (413, "too_large", errors.TooLargeError),
        (401, "unauthenticated", errors.UnauthenticatedError),
        (403, "permission_denied", errors.PermissionDeniedError),
        (404, "endpoint_not_found", errors.NotFoundError),
        (409, "already_exists", errors.AlreadyExistsError),
        (409, "model_in_use", errors.ConflictError),
        (412, "precondition_failed", errors.PreconditionFailedError),
        (500, "internal", errors.InternalError),
    ],
)
def test_an_error_comes_as_its_family_with_the_code_and_words_of_the_platform(status, code, kind, both, platform):
    platform.prepare("GET", f"{PROJECTS}/alpha", fault(status, code))
    with pytest.raises(kind) as caught:
        both(lambda client: client.projects.get("alpha"))
    error = caught.value
    assert type(error) is kind
    assert (error.code, error.message, error.hint, error.field) == (code, "words", "do", "f")
    assert len(platform.requests) == 1


def test_an_error_without_json_is_told_as_it_is(both, platform):
    platform.prepare("GET", f"{PROJECTS}/alpha", Answer(status=404, body=b"<html>proxy</html>"))
    with pytest.raises(errors.NotFoundError, match="proxy"):
        both(lambda client: client.projects.get("alpha"))


def test_an_answer_of_another_version_is_an_error_that_says_so(both, platform):
    platform.prepare("GET", f"{PROJECTS}/alpha", Answer(body={"title": "alpha"}))
    with pytest.raises(AnswerInvalidError, match="name"):
        both(lambda client: client.projects.get("alpha"))


def test_a_name_cannot_reach_another_path(both, platform):
    with pytest.raises(errors.NotFoundError):
        both(lambda client: client.projects.get("../tokens?x=1"))
    assert platform.requests[0].path == f"{PROJECTS}/../tokens?x=1"  # one part of the path, not three


def test_a_change_carries_the_version_that_was_read(both, platform):
    platform.prepare("PATCH", f"{PROJECTS}/alpha", Answer(body=project("alpha")))
    both(lambda client: client.projects.update("alpha", description="new", version=3))
    assert platform.requests[0].headers["if-match"] == '"3"'
    assert platform.requests[0].json() == {"description": "new"}


def test_a_platform_that_does_not_run_is_said_to_be_unreachable_with_what_to_do():
    with FakePlatform() as gone:
        url = gone.url
    for is_async in (False, True):
        with pytest.raises(ServerUnreachableError) as caught:
            Both(url, is_async=is_async)(lambda client: client.projects.get("alpha"))
        assert "modelyard up" in caught.value.hint


def test_address_and_token_come_from_the_platform_of_the_state_directory(tmp_path, monkeypatch):
    for name in ("MODELYARD_URL", "MODELYARD_TOKEN", "MODELYARD_HOME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(NotConfiguredError) as caught:
        modelyard.Client(home=tmp_path)
    assert "modelyard up" in caught.value.hint
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "gateway.json").write_text('{"url": "http://127.0.0.1:1234", "pid": 1}')
    (tmp_path / "admin.token").write_text("my_secret\n")
    with modelyard.Client(home=tmp_path) as client:
        assert client.url == "http://127.0.0.1:1234"
        assert client._sync_driver._http.headers["authorization"] == "Bearer my_secret"
    with modelyard.Client("http://elsewhere", home=tmp_path) as client:
        assert "authorization" not in client._sync_driver._http.headers


def test_both_clients_have_the_same_calls_with_the_same_parameters():
    with modelyard.Client("http://x") as client:
        other = modelyard.AsyncClient("http://x")
        nouns = [name for name, value in vars(client).items() if not name.startswith("_") and hasattr(value, "_driver")]
        assert len(nouns) >= 12
        for noun in nouns:
            mine, theirs = getattr(client, noun), getattr(other, noun)
            for verb in (name for name, value in vars(type(mine)).items() if name[0] != "_" and callable(value)):
                assert inspect.signature(getattr(mine, verb)) == inspect.signature(getattr(theirs, verb))
                assert getattr(mine, verb).__doc__
        asyncio.run(other.close())


def test_importing_the_package_loads_no_client():
    code = "import sys, modelyard; assert not {'httpx', 'msgspec', 'numpy'} & set(sys.modules)"
    import subprocess
    import sys

    subprocess.run([sys.executable, "-c", code], check=True)
