"""The actions of the grammar: checked names, operators and values become the Query of `syntax`."""

import difflib
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime

from lark import Token, Transformer

from modelyard.control.models.discovery.fields import FIELDS, SYNONYMS, Field, FieldKind, titles
from modelyard.control.models.discovery.syntax import (
    Comparison,
    Expression,
    FieldName,
    Operator,
    Order,
    Query,
    conjunction,
    disjunction,
    negation,
)
from modelyard.types.signatures import Scalar

_USUAL_METRICS = ("accuracy", "precision", "recall", "f1", "auc", "rmse", "mae", "r2", "log_loss")
_SPELLINGS = {"==": "=", "<>": "!="}
_UNITS = {
    "%": 0.01,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_NUMBER = re.compile(r"([+\-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+\-]?\d+)?)(%|[a-zA-Z]+)?")
_SEGMENT = re.compile(r'\.([\w\-]+|"(?:\\.|[^"\\])+")', re.DOTALL)
_MAX_EXACT_INTEGER = 2**53


class FaultError(Exception):
    """A fault at a token; the parser, which has the text, turns it into SearchQueryInvalidError."""

    def __init__(self, fault: str, token: Token, hint: str) -> None:
        super().__init__(fault)
        self.fault = fault
        self.position = token.start_pos or 0
        self.length = len(token)
        self.hint = hint


class Builder(Transformer[Token, Query]):
    """One method a rule of the grammar. Holds no state, so that one embedded instance serves every thread."""

    def start(self, children: Sequence[Expression | tuple[Order, ...] | None]) -> Query:
        """The whole query."""
        where, order_by = children
        return Query(where, order_by or ())  # type: ignore[arg-type]

    def any(self, terms: list[Expression]) -> Expression:
        """Terms joined by `or`."""
        return disjunction(terms)

    def all(self, terms: list[Expression]) -> Expression:
        """Terms joined by `and`."""
        return conjunction(terms)

    def opposite(self, terms: list[Expression]) -> Expression:
        """`not term`."""
        return negation(terms[0])

    def comparison(self, children: list[Token]) -> Expression:
        """`field operator value`."""
        name, sign, value = children
        operator = Operator(_SPELLINGS.get(str(sign), str(sign)))
        field_name, field = resolve(name)
        if operator not in field.operators:
            raise FaultError(*_operator_fault(field_name, field, operator, sign))
        return Comparison(field_name, operator, (_value(field_name, field, operator, value),))

    def membership(self, children: list[Token]) -> Expression:
        """`field in (value, ...)`."""
        name, *values = children
        field_name, field = resolve(name)
        if Operator.IN not in field.operators:
            raise FaultError(*_operator_fault(field_name, field, Operator.IN, name))
        return Comparison(
            field_name, Operator.IN, tuple(_value(field_name, field, Operator.IN, value) for value in values)
        )

    def absence(self, children: list[Token]) -> Expression:
        """`field not in (value, ...)`."""
        return negation(self.membership(children))

    def value(self, children: list[Token]) -> Token:
        """A literal; its field decides what it may be, so it stays a token until then."""
        return children[0]

    def ordering(self, keys: list[Order]) -> tuple[Order, ...]:
        """The sort keys."""
        return tuple(keys)

    def key(self, children: list[Token | None]) -> Order:
        """One sort key."""
        name, direction = children
        assert name is not None  # noqa: S101 - the grammar requires it
        field_name, field = resolve(name)
        if not field.is_sortable:
            sortable = ", ".join(known.title for known in FIELDS.values() if known.is_sortable)
            raise FaultError(f"'{field_name}' cannot be sorted by", name, f"Sort by one of: {sortable}.")
        return Order(field_name, direction is not None and direction.lower().startswith("desc"))


def resolve(token: Token) -> tuple[FieldName, Field]:
    """The field that `token` names. Raises FaultError with the nearest known name."""
    text = str(token)
    head, _, rest = text.partition(".")
    head = SYNONYMS.get(head.lower(), head.lower())
    if not rest and head in FIELDS and not FIELDS[head].is_open:
        return FieldName(head), FIELDS[head]
    if head in FIELDS and FIELDS[head].is_open:
        if not rest:
            raise FaultError(f"'{text}' needs a name", token, f"For example: {FIELDS[head].example}")
        segments = _SEGMENT.findall("." + rest)
        key = ".".join(unquoted(segment) if segment.startswith('"') else segment for segment in segments)
        return FieldName(head, key), FIELDS[head]
    if text.lower() in FIELDS:
        return FieldName(text.lower()), FIELDS[text.lower()]
    raise FaultError(f"unknown field '{text}'", token, _did_you_mean(text) or f"Fields: {titles()}.")


def unquoted(text: str) -> str:
    """The content of a quoted text."""
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)


def parse_time(text: str) -> datetime:
    """An ISO 8601 date or time; UTC unless it says otherwise. Raises ValueError or OverflowError."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _did_you_mean(text: str) -> str:
    head, dot, rest = text.lower().partition(".")
    candidates = difflib.get_close_matches(text.lower(), [*FIELDS, *SYNONYMS], n=1, cutoff=0.6)
    if dot:
        candidates = [f"{family}.{rest}" for family in difflib.get_close_matches(head, _open(), n=1)] or candidates
    if not candidates and text.lower() in _USUAL_METRICS:
        candidates = [f"metrics.{text}"]
    return f"Did you mean '{candidates[0]}'?" if candidates else ""


def _open() -> list[str]:
    return [name for name, field in FIELDS.items() if field.is_open]


def _operator_fault(name: FieldName, field: Field, operator: Operator, token: Token) -> tuple[str, Token, str]:
    allowed = " ".join(known for known in Operator if known in field.operators)
    fault = f"'{operator}' cannot be asked of '{name}', which holds {_HOLDS[field.kind]}"
    return fault, token, f"Operators of {field.title}: {allowed}. For example: {field.example}"


_HOLDS = {
    FieldKind.TEXT: "text",
    FieldKind.NUMBER: "numbers",
    FieldKind.TIME: "a time",
    FieldKind.SCALAR: "text, numbers or booleans",
    FieldKind.WORDS: "words",
}
_ORDERED = (Operator.GREATER, Operator.GREATER_OR_EQUAL, Operator.LESS, Operator.LESS_OR_EQUAL)


def _value(name: FieldName, field: Field, operator: Operator, token: Token) -> Scalar:
    value = _literal(token)
    is_text = isinstance(value, str)
    is_number = not is_text and not isinstance(value, bool)
    hint = f"For example: {field.example}"
    if field.kind is FieldKind.NUMBER and not is_number:
        raise FaultError(f"'{name}' holds numbers, {token} is none", token, f"Write a number without quotes. {hint}")
    if field.kind in (FieldKind.TEXT, FieldKind.WORDS) and not is_text:
        raise FaultError(f"'{name}' holds text, {token} is none", token, f"Write text in quotes. {hint}")
    if field.kind is FieldKind.SCALAR and operator in _ORDERED and not is_number:
        raise FaultError(f"'{operator}' compares numbers, {token} is none", token, f"Write a number. {hint}")
    if field.kind is FieldKind.SCALAR and operator is Operator.CONTAINS and not is_text:
        raise FaultError(f"'~' looks for text, {token} is none", token, f"Write text in quotes. {hint}")
    if field.kind is FieldKind.TIME:
        _check_time(value, token, hint)
    return value


def _check_time(value: Scalar, token: Token, hint: str) -> None:
    try:
        parse_time(str(value))
    except (ValueError, OverflowError):
        raise FaultError(
            f"{token} is not a date or time", token, f"Write it in quotes as year-month-day. {hint}"
        ) from None


def _literal(token: Token) -> Scalar:
    if token.type == "STRING":
        return unquoted(token)
    if token.type == "NUMBER":
        return _number(token)
    if token.lower() in ("true", "false"):
        return token.lower() == "true"
    raise FaultError(f"{token} is not a value", token, f'Write text in quotes: "{token}".')


def _number(token: Token) -> int | float:
    match = _NUMBER.fullmatch(token)
    if match is None:
        raise FaultError(f"{token} is not a number", token, "Write it as 10, 0.95 or 1e-3.")
    unit = _UNITS[match[2].lower()] if match[2] else 1
    value = float(match[1])
    value = value / 100 if match[2] == "%" else value * unit
    if not math.isfinite(value):
        raise FaultError(f"{token} is too large a number", token, "Write a number below 1e308.")
    return int(value) if value.is_integer() and abs(value) < _MAX_EXACT_INTEGER else value
