"""All SQL of discovery: a Query becomes one statement that SQLite and PostgreSQL answer alike.

Every condition is true or false, never unknown: a field that a version does not have equals nothing, so `=` is false
and `!=` true. When sorting, versions without the value come last, in both directions.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    FromClause,
    Table,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)

from modelyard.control.models.discovery.builder import parse_time
from modelyard.control.models.discovery.fields import FIELDS, FieldKind
from modelyard.control.models.discovery.syntax import All, Comparison, Expression, Not, Operator, Order, Query
from modelyard.control.models.facts import fold, fold_value
from modelyard.control.models.tables import (
    model_aliases,
    model_deployments,
    model_facts,
    model_tags,
    model_versions,
    models,
)
from modelyard.control.rest.pages import CursorValue, PageQuery
from modelyard.storage.columns import UtcDateTime
from modelyard.storage.keyset import CursorInvalidError
from modelyard.types.signatures import Scalar

Condition = ColumnElement[bool]
_ORDERED: dict[Operator, Callable[[ColumnElement[Any], Any], Condition]] = {
    Operator.GREATER: lambda column, value: column > value,
    Operator.GREATER_OR_EQUAL: lambda column, value: column >= value,
    Operator.LESS: lambda column, value: column < value,
    Operator.LESS_OR_EQUAL: lambda column, value: column <= value,
}


_NOTHING = literal(None, Double)


class DiscoveryRepository:
    """Finds versions and names of facts."""

    def search(
        self, connection: Connection, project: str, query: Query, page: PageQuery
    ) -> list[tuple[str, tuple[CursorValue | datetime, ...]]]:
        """Ids of at most `page.limit` + 1 versions that fit, in the query's order, each with its sort key.

        Raises:
            CursorInvalidError: the page's cursor is of another query.
        """
        source, keys = _sorting(query.order_by)
        statement = select(model_versions.c.id, *(key.label(f"key_{index}") for index, (key, _) in enumerate(keys)))
        statement = statement.select_from(source).where(models.c.project == project, _condition(query))
        if page.after is not None:
            statement = statement.where(_after(keys, page.after))
        statement = statement.order_by(*(key.desc() if descending else key.asc() for key, descending in keys))
        rows = connection.execute(statement.limit(page.limit + 1))
        return [(row[0], tuple(row[1:])) for row in rows]

    def facts_named(self, connection: Connection, project: str, family: str) -> set[str]:
        """The fields of an open family that versions of this project have ("metrics.accuracy")."""
        statement = (
            select(model_facts.c.field)
            .distinct()
            .join(model_versions, model_versions.c.id == model_facts.c.version_id)
            .join(models, models.c.id == model_versions.c.model_id)
            .where(models.c.project == project, model_facts.c.field.startswith(f"{family}.", autoescape=True))
        )
        return set(connection.execute(statement).scalars())


def _condition(query: Query) -> Condition:
    if query.where is None:
        return model_versions.c.number == models.c.latest
    return _expression(query.where)


def _expression(expression: Expression) -> Condition:
    if isinstance(expression, Comparison):
        return _comparison(expression)
    if isinstance(expression, Not):
        return not_(_expression(expression.term))
    terms = [_expression(term) for term in expression.terms]
    return and_(*terms) if isinstance(expression, All) else or_(*terms)


def _comparison(comparison: Comparison) -> Condition:
    if comparison.operator is Operator.NOT_EQUAL:
        return not_(_comparison(Comparison(comparison.field, Operator.EQUAL, comparison.values)))
    family = comparison.field.family
    if family == "text":
        return _contains_words(str(comparison.values[0]))
    if family == "name":
        return _matches(models.c.name, _NOTHING, comparison)
    if family in ("number", "size_bytes"):
        return _matches(literal(""), cast(model_versions.c[family], Double), comparison)
    if family == "created_at":
        return _ORDERED[comparison.operator](model_versions.c.created_at, parse_time(str(comparison.values[0])))
    return _beside(comparison)


def _beside(comparison: Comparison) -> Condition:
    """Fields with any number of values, in tables beside the version."""
    family = comparison.field.family
    if family == "alias":
        return _has(model_aliases, _matches(model_aliases.c.alias, _NOTHING, comparison))
    if family == "endpoint":
        return _has(model_deployments, _matches(model_deployments.c.endpoint, _NOTHING, comparison))
    is_field = model_facts.c.field == comparison.field.path
    facts = _has(model_facts, and_(is_field, _matches(model_facts.c.text, model_facts.c.number, comparison)))
    if family != "tags":
        return facts
    own = select(model_tags.c.model_id).where(_matches(model_tags.c.tag, _NOTHING, comparison))
    return or_(facts, models.c.id.in_(own))


def _has(table: Table, condition: Condition) -> Condition:
    """Versions that have such a row."""
    # Not EXISTS: without statistics SQLite then walks the index of the values once for every version, which took 65 s
    # for 10,000 versions; this takes 0.1 s.
    return model_versions.c.id.in_(select(table.c.version_id).where(condition))


def _matches(text: ColumnElement[Any], number: ColumnElement[Any], comparison: Comparison) -> Condition:
    """The comparison on a value that is text or a number, whichever its literals are."""
    operator, values = comparison.operator, comparison.values
    if operator is Operator.CONTAINS:
        return text.contains(fold_value(str(values[0])), autoescape=True)
    if operator in _ORDERED:
        return _ORDERED[operator](number, _numeric(values[0]))
    texts = [_textual(value) for value in values if isinstance(value, str | bool)]
    numbers = [_numeric(value) for value in values if not isinstance(value, str | bool)]
    conditions = [text.in_(texts)] if texts else []
    conditions += [number.in_(numbers)] if numbers else []
    return or_(false(), *conditions)


def _textual(value: Scalar) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else fold_value(str(value))


def _numeric(value: Scalar) -> ColumnElement[float]:
    return literal(float(value), Double)  # PostgreSQL would round 2.5 to the type of an integer column


def _contains_words(text: str) -> Condition:
    """Every word of `text`, anywhere in the texts of the version or its model."""
    return and_(
        true(),
        *(
            or_(
                model_versions.c.search_text.contains(word, autoescape=True),
                models.c.search_text.contains(word, autoescape=True),
            )
            for word in fold(text).split()
        ),
    )


SortKey = tuple[ColumnElement[Any], bool]


def _sorting(order_by: Sequence[Order]) -> tuple[FromClause, list[SortKey]]:
    """What to select from, and a total order over it: (column, is descending)."""
    source: FromClause = model_versions.join(models, models.c.id == model_versions.c.model_id)
    keys: list[SortKey] = []
    for order in order_by:
        column = _OWN_COLUMNS.get(order.field.family)
        if column is not None:
            keys.append((column, order.is_descending))
            continue
        facts = model_facts.alias(f"sort_{len(keys)}")
        on = and_(facts.c.version_id == model_versions.c.id, facts.c.field == order.field.path, facts.c.position == 0)
        source = source.outerjoin(facts, on)
        is_text = FIELDS[order.field.family].kind is FieldKind.TEXT
        value, nothing = (facts.c.text, literal("")) if is_text else (facts.c.number, literal(0.0, Double))
        keys += [(case((value.is_(None), 1), else_=0), False), (func.coalesce(value, nothing), order.is_descending)]
    return source, [*keys, (model_versions.c.created_at, True), (model_versions.c.id, True)]


_OWN_COLUMNS: dict[str, ColumnElement[Any]] = {
    "name": models.c.name,
    "number": model_versions.c.number,
    "size_bytes": model_versions.c.size_bytes,
    "created_at": model_versions.c.created_at,
}


def _after(keys: Sequence[SortKey], position: Sequence[CursorValue]) -> Condition:
    """Rows behind `position` in an order whose columns go in different directions."""
    if len(keys) != len(position):
        raise _foreign_cursor()
    alternatives, equal = [], list[Condition]()
    for (key, descending), value in zip(keys, position, strict=True):
        bound = literal(_typed(key, value), key.type)
        alternatives.append(and_(*equal, key < bound if descending else key > bound))
        equal.append(key == bound)
    return or_(*alternatives)


def _typed(key: ColumnElement[Any], value: CursorValue) -> object:
    if isinstance(key.type, UtcDateTime):
        try:
            return parse_time(str(value))
        except (ValueError, OverflowError):
            raise _foreign_cursor() from None
    kind = key.type.python_type
    if kind is float and isinstance(value, int):
        return float(value)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise _foreign_cursor()
    return value


def _foreign_cursor() -> CursorInvalidError:
    return CursorInvalidError(
        "The cursor belongs to another query", hint="Pass `next_cursor` with the query that gave it.", field="cursor"
    )
