"""The fuzzer's promises on inputs near its seeds; `make fuzz` goes further."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.testing.fuzzing import connections, parsers
from modelyard.testing.fuzzing.seeds import TARGETS, seeds

edits = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 4), st.binary(max_size=6)), max_size=4)


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_comes_is_understood_or_refused_in_words(target: str, data: st.DataObject):
    content = data.draw(st.sampled_from(seeds(target)))
    for position, removed, inserted in data.draw(edits):
        content = content[:position] + inserted + content[position + removed :]
    TARGETS[target](content)


@pytest.mark.parametrize("target", ["open_inference", "invocations_json", "invocations_csv"])
def test_a_fuzzer_begins_with_what_is_right(target: str, monkeypatch: pytest.MonkeyPatch):
    refused: list[str] = []
    monkeypatch.setattr(parsers, "status_of", lambda error: refused.append(error.message) or 400)
    for seed in seeds(target):
        TARGETS[target](seed)
    assert not refused


def test_an_answer_that_depends_on_how_a_request_was_cut_is_found(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections, "_answers", len)
    with pytest.raises(AssertionError, match="otherwise"):
        TARGETS["http"](b"\3" + b"GET / HTTP/1.1\r\n\r\n")
