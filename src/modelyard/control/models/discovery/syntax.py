"""The query as data, and its canonical text: `parse_query(str(query)) == query`."""

import re
from dataclasses import dataclass
from enum import StrEnum

from modelyard.types.signatures import Scalar

_PLAIN_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_\-]*")


class Operator(StrEnum):
    """Comparison operators. CONTAINS ignores case and, like EQUAL on text, accents stay as they are."""

    EQUAL = "="
    NOT_EQUAL = "!="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    CONTAINS = "~"
    IN = "in"


@dataclass(frozen=True, slots=True)
class FieldName:
    """`family` alone for a fixed field ("task"), with `key` for an open one ("metrics", "accuracy")."""

    family: str
    key: str = ""

    def __str__(self) -> str:
        if not self.key:
            return self.family
        return f"{self.family}.{self.key if _PLAIN_SEGMENT.fullmatch(self.key) else quoted(self.key)}"

    @property
    def path(self) -> str:
        """The name under which its facts are stored: lower case, unquoted."""
        return f"{self.family}.{self.key}".casefold() if self.key else self.family


@dataclass(frozen=True, slots=True)
class Comparison:
    """`values` holds one literal, or several for IN."""

    field: FieldName
    operator: Operator
    values: tuple[Scalar, ...]

    def __str__(self) -> str:
        if self.operator is Operator.IN:
            return f"{self.field} in ({', '.join(literal(value) for value in self.values)})"
        return f"{self.field} {self.operator} {literal(self.values[0])}"


@dataclass(frozen=True, slots=True)
class Not:
    """True where `term` is false: there is no third value."""

    term: "Comparison | All | Any"

    def __str__(self) -> str:
        if not isinstance(self.term, Comparison):
            return f"not ({self.term})"
        if self.term.operator is Operator.IN:
            return str(self.term).replace(" in (", " not in (", 1)
        return f"not {self.term}"


@dataclass(frozen=True, slots=True)
class All:
    """Every term holds; two terms or more, none of them an All."""

    terms: "tuple[Comparison | Not | Any, ...]"

    def __str__(self) -> str:
        return " and ".join(f"({term})" if isinstance(term, Any) else str(term) for term in self.terms)


@dataclass(frozen=True, slots=True)
class Any:
    """At least one term holds; two terms or more, none of them an Any."""

    terms: "tuple[Comparison | Not | All, ...]"

    def __str__(self) -> str:
        return " or ".join(str(term) for term in self.terms)


Expression = Comparison | Not | All | Any


@dataclass(frozen=True, slots=True)
class Order:
    """One sort key."""

    field: FieldName
    is_descending: bool = False

    def __str__(self) -> str:
        return f"{self.field} {'desc' if self.is_descending else 'asc'}"


@dataclass(frozen=True, slots=True)
class Query:
    """A condition (None: every model, by its newest version) and sort keys (none: newest first)."""

    where: Expression | None = None
    order_by: tuple[Order, ...] = ()

    def __str__(self) -> str:
        parts = [str(self.where)] if self.where is not None else []
        if self.order_by:
            parts.append("order by " + ", ".join(str(key) for key in self.order_by))
        return " ".join(parts)

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Every comparison in the condition, left to right."""
        return tuple(_comparisons(self.where)) if self.where is not None else ()


def conjunction(terms: list[Expression]) -> Expression:
    """All of `terms`, flat."""
    flat = [inner for term in terms for inner in (term.terms if isinstance(term, All) else (term,))]
    return flat[0] if len(flat) == 1 else All(tuple(flat))


def disjunction(terms: list[Expression]) -> Expression:
    """Any of `terms`, flat."""
    flat = [inner for term in terms for inner in (term.terms if isinstance(term, Any) else (term,))]
    return flat[0] if len(flat) == 1 else Any(tuple(flat))


def negation(term: Expression) -> Expression:
    """The opposite of `term`; two negations cancel."""
    return term.term if isinstance(term, Not) else Not(term)


def depth(expression: Expression) -> int:
    """Levels of nesting; a comparison has one."""
    if isinstance(expression, Comparison):
        return 1
    inner = (expression.term,) if isinstance(expression, Not) else expression.terms
    return 1 + max(depth(term) for term in inner)


def literal(value: Scalar) -> str:
    """A value as it is written in a query."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return quoted(value) if isinstance(value, str) else repr(value)


def quoted(text: str) -> str:
    """`text` in double quotes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _comparisons(expression: Expression) -> list[Comparison]:
    if isinstance(expression, Comparison):
        return [expression]
    inner = (expression.term,) if isinstance(expression, Not) else expression.terms
    return [comparison for term in inner for comparison in _comparisons(term)]
