"""The query language: what it takes, what it says back, and that every fault points at the wrong word."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.control.models.discovery.errors import SearchQueryInvalidError
from modelyard.control.models.discovery.fields import FIELDS, FieldKind
from modelyard.control.models.discovery.parser import MAX_LENGTH, parse_query
from modelyard.control.models.discovery.syntax import (
    Comparison,
    FieldName,
    Operator,
    Order,
    Query,
    conjunction,
    disjunction,
    negation,
)


def rejected(text: str) -> SearchQueryInvalidError:
    with pytest.raises(SearchQueryInvalidError) as caught:
        parse_query(text)
    assert caught.value.field == "query"
    return caught.value


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", ""),
        ('task = "image-classification"', 'task = "image-classification"'),
        (
            'task = "x" and metrics.accuracy >= 0.95 and text ~ "digits" order by metrics.accuracy desc',
            'task = "x" and metrics.accuracy >= 0.95 and text ~ "digits" order by metrics.accuracy desc',
        ),
        ("TASK == 'x' AND NOT Name <> 'y'", 'task = "x" and not name != "y"'),
        ("number = 1 or size_bytes = 2", "number = 1 or size_bytes = 2"),
        ('name = "a" or name = "b" and name = "c"', 'name = "a" or name = "b" and name = "c"'),
        ('(name = "a" or name = "b") and name = "c"', '(name = "a" or name = "b") and name = "c"'),
        ('not not name = "a"', 'name = "a"'),
        ('name not in ("a", "b")', 'name not in ("a", "b")'),
        ("metrics.accuracy > 95%", "metrics.accuracy > 0.95"),
        ("size_bytes < 10MB order by size_bytes", "size_bytes < 10000000 order by size_bytes asc"),
        ('metrics."top 5" > .9', 'metrics."top 5" > 0.9'),
        ("metrics.f1-score > 0.9 and metrics.in > 1", "metrics.f1-score > 0.9 and metrics.in > 1"),
        ("custom.is_reviewed = TRUE", "custom.is_reviewed = true"),
        ('license = "MIT" and tag = "x"', 'licence = "MIT" and tags = "x"'),
        ('signature.inputs.datatype = "FP32"', 'signature.inputs.datatype = "FP32"'),
        ('name = "say \\"hi\\" \\\\ there"', 'name = "say \\"hi\\" \\\\ there"'),
        ('created_at >= "2026-01-31T10:00:00+02:00"', 'created_at >= "2026-01-31T10:00:00+02:00"'),
        ("order by name, metrics.rmse descending", "order by name asc, metrics.rmse desc"),
    ],
)
def test_a_query_means_what_its_canonical_form_says(text, canonical):
    query = parse_query(text)
    assert str(query) == canonical
    assert parse_query(canonical) == query


@pytest.mark.parametrize(
    ("text", "word", "hint"),
    [
        ('taks = "x"', "taks", "Did you mean 'task'?"),
        ('task = "x" and metricks.accuracy > 1', "metricks.accuracy", "Did you mean 'metrics.accuracy'?"),
        ("accuracy > 0.9", "accuracy", "Did you mean 'metrics.accuracy'?"),
        ("zzzzz > 0.9", "zzzzz", "Fields: task, name"),
        ("metrics > 3", "metrics", "metrics.accuracy >= 0.95"),
        ("task = image-classification", "image-classification", 'in quotes: "image-classification"'),
        ('task "x"', '"x"', "Operators"),
        ('name = "x" tags = "y"', "tags", "'and' or 'or'"),
        ("name > 'a'", ">", "Operators of name: = != ~ in"),
        ('metrics.accuracy > "high"', '"high"', "without quotes"),
        ("task = 3", "3", "in quotes"),
        ("custom.size > true", "true", "a number"),
        ("custom.team ~ 3", "3", "in quotes"),
        ("custom.x = maybe", "maybe", "in quotes"),
        ('created_at > "soon"', '"soon"', "year-month-day"),
        ("order by tags", "tags", "Sort by one of"),
        ("order by name sideways", "sideways", "order by"),
        ("order name", "name", "order by metrics.accuracy desc"),
        ('text in ("a")', "text", "Operators of text: ~"),
        ('task in "x"', '"x"', "parentheses"),
        ("metrics.a > 1e999", "1e999", "below"),
        ("number > 3MBx", "MBx", "'and' or 'or'"),
        ("§ = 1", "§", "Fields"),
    ],
)
def test_a_fault_points_at_the_wrong_word_and_says_what_to_do(text, word, hint):
    error = rejected(text)
    sentence, line, carets = error.message.split("\n")
    assert line[error.position : error.position + error.length] == word == line[carets.index("^") : len(carets)]
    assert f"position {error.position + 1}" in sentence
    assert hint in error.hint
    assert error.code == "search_query_invalid"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('name = "x" and', "ends where a field is expected"),
        ('(name = "x"', "'and', 'or' or ')'"),
        ("task =", "ends where a value is expected"),
        ('name = "x', "never closed"),
        ("task", "ends where an operator"),
        ('name in ("a", ', "ends where a value"),
    ],
)
def test_a_query_that_stops_too_early_says_what_is_missing(text, words):
    assert words in rejected(text).message


def test_too_long_and_too_deep_queries_are_refused():
    assert "characters" in rejected(f'name = "{"x" * MAX_LENGTH}"').message
    assert "nested" in rejected("not (name = 'a' and " * 60 + "name = 'b'" + ")" * 60).message
    assert str(parse_query("(" * 900 + 'name = "x"' + ")" * 900)) == 'name = "x"'


@pytest.mark.parametrize("character", ["\0", "\ud800"])
def test_characters_that_no_database_stores_are_refused(character):
    assert "no text" in rejected(f'name = "a{character}b"').message


words = st.sampled_from(
    [
        *("task", "name", "metrics.accuracy", "metrics", ".", "and", "or", "not", "in", "order", "by", "asc", "desc"),
        *("(", ")", "=", "!=", ">", ">=", "~", ",", '"', '"x"', "'y'", "0.95", "10MB", "5%", "true", "created_at"),
        *('"2026-01-01"', "1e999"),
    ]
)


@given(st.one_of(st.text(), st.lists(words).map(" ".join), st.lists(words).map("".join)))
def test_junk_gives_a_query_or_search_query_invalid_and_nothing_else(text):
    try:
        query = parse_query(text)
    except SearchQueryInvalidError as error:
        fault = error
    else:
        assert parse_query(str(query)) == query
        return
    assert fault.hint
    assert fault.message.count("\n") == 2


keys = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
numbers = st.one_of(st.integers(-(2**52), 2**52), st.floats(allow_nan=False, allow_infinity=False))
PLAIN = (Operator.EQUAL, Operator.NOT_EQUAL, Operator.IN)


@st.composite
def comparisons(draw):
    field = FIELDS[draw(st.sampled_from([name for name, f in FIELDS.items() if f.kind is not FieldKind.TIME]))]
    operator = draw(st.sampled_from(sorted(field.operators)))
    values = {FieldKind.TEXT: texts, FieldKind.WORDS: texts, FieldKind.NUMBER: numbers}.get(field.kind)
    if values is None:
        values = st.one_of(texts, numbers, st.booleans()) if operator in PLAIN else numbers
        values = texts if operator is Operator.CONTAINS else values
    name = FieldName(field.name, draw(keys) if field.is_open else "")
    count = draw(st.integers(1, 3)) if operator is Operator.IN else 1
    return Comparison(name, operator, tuple(draw(values) for _ in range(count)))


expressions = st.recursive(
    comparisons(),
    lambda inner: st.one_of(
        inner.map(negation),
        st.lists(inner, min_size=2, max_size=3).map(conjunction),
        st.lists(inner, min_size=2, max_size=3).map(disjunction),
    ),
    max_leaves=6,
)
orders = st.builds(Order, st.builds(FieldName, st.just("metrics"), keys), st.booleans())


@given(st.builds(Query, st.none() | expressions, st.lists(orders, max_size=2).map(tuple)))
def test_what_a_query_says_parses_to_the_same_query(query):
    text = str(query)
    if len(text) <= MAX_LENGTH:
        assert parse_query(text) == query


def test_the_reference_names_every_field_and_its_examples_parse():
    page = (Path(__file__).resolve().parents[4] / "docs" / "reference" / "search.md").read_text()
    for field in FIELDS.values():
        assert f"| `{field.title}` | {field.description} | `{field.example}` |" in page
        assert parse_query(field.example).comparisons
