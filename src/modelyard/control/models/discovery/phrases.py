"""Plain phrases -> Query: "image classification with accuracy above 0.95".

A list of patterns, each tried on what the earlier ones left of the phrase. What none of them understands becomes a
text search, so that every phrase has an answer; the answer shows the query, so that a reader sees what was understood.
"""

import re
from collections.abc import Callable

from modelyard.control.models.discovery import vocabulary
from modelyard.control.models.discovery.builder import parse_time
from modelyard.control.models.discovery.fields import FIELDS, SYNONYMS
from modelyard.control.models.discovery.syntax import (
    Comparison,
    Expression,
    FieldName,
    Operator,
    Order,
    Query,
    conjunction,
    disjunction,
)

_FIELD_NAMES = "|".join([*(re.escape(name) + r"(?:\.\w+)?" for name in FIELDS), *SYNONYMS])
_QUERY_MARKS = re.compile(rf"[\"'()~]|(?<![<>])=|\b(?:{_FIELD_NAMES})\s*[<>!]|\border\s+by\b|\bin\s*\(", re.IGNORECASE)


def is_phrase(text: str) -> bool:
    """True if `text` has none of the marks of the query language, so that no fault in it is a fault of a query."""
    return not _QUERY_MARKS.search(text)


def interpret(text: str) -> Query:
    """The query that a phrase stands for."""
    phrase = _Phrase(text)
    for pattern, read in _RULES:
        phrase.take(pattern, read)
    phrase.take_rest()
    return phrase.query()


class _Phrase:
    """A phrase on its way to a query: what is left of it, and what was understood."""

    def __init__(self, text: str) -> None:
        self.rest = " ".join(text.lower().split())
        self.tasks: list[str] = []
        self.terms: list[Comparison] = []
        self.order: Order | None = None
        self.wants_best = False
        self.wants_classification = False

    def take(self, pattern: re.Pattern[str], read: "Reader") -> None:
        """Let `read` understand each match of `pattern`, and cut it out."""

        def understood(match: re.Match[str]) -> str:
            read(self, match)
            return " | "  # the words on both sides are no neighbours

        self.rest = pattern.sub(understood, self.rest)

    def take_rest(self) -> None:
        """What nobody understood is looked for in the texts."""
        words = [word.strip(".-") for word in re.findall(r"[\w@.\-]+", self.rest)]
        words = [word for word in words if word and word not in vocabulary.STOP_WORDS]
        if words:
            self.add("text", Operator.CONTAINS, " ".join(words))

    def add(self, family: str, operator: Operator, value: str | float, key: str = "") -> None:
        """One more condition."""
        self.terms.append(Comparison(FieldName(family, key), operator, (value,)))

    def query(self) -> Query:
        """All that was understood."""
        terms: list[Expression] = [*self._task(), *self.terms]
        order = self.order or (self._best() if self.wants_best else None)
        return Query(conjunction(terms) if terms else None, (order,) if order else ())

    def _task(self) -> list[Expression]:
        field = FieldName("task")
        kinds: list[Expression] = []
        if self.wants_classification:
            kinds.append(Comparison(field, Operator.CONTAINS, ("classification",)))
        if self.tasks:
            operator = Operator.EQUAL if len(self.tasks) == 1 else Operator.IN
            kinds.append(Comparison(field, operator, tuple(self.tasks)))
        return [disjunction(kinds)] if kinds else []

    def _best(self) -> Order:
        metrics = (term.field for term in self.terms if term.field.family == "metrics")
        field = next(metrics, FieldName("metrics", "accuracy"))
        return Order(field, is_descending=field.key not in vocabulary.LOWER_IS_BETTER)


Reader = Callable[[_Phrase, re.Match[str]], None]


def _read_size(phrase: _Phrase, match: re.Match[str]) -> None:
    unit = {"k": 10**3, "m": 10**6, "g": 10**9}[match["unit"]]
    phrase.add("size_bytes", vocabulary.operator(match["comparator"]), _plain(float(match["amount"]) * unit))


def _read_date(phrase: _Phrase, match: re.Match[str]) -> None:
    try:
        parse_time(match["date"])
    except ValueError:
        phrase.add("text", Operator.CONTAINS, match["date"])
        return
    operator = Operator.LESS if match["when"] in ("before", "older than") else Operator.GREATER_OR_EQUAL
    phrase.add("created_at", operator, match["date"])


def _read_licence(phrase: _Phrase, match: re.Match[str]) -> None:
    phrase.add("licence", Operator.CONTAINS, match["before"] or match["after"])


def _read_field(phrase: _Phrase, match: re.Match[str]) -> None:
    field, operator = vocabulary.FIELD_WORDS[match["what"]]
    for word in re.split(r"\s*,\s*", match["words"]):
        phrase.add(field, operator, word.rstrip("."))


def _read_alias(phrase: _Phrase, match: re.Match[str]) -> None:
    phrase.add("alias", Operator.EQUAL, match[0].lstrip("@"))


def _read_task(phrase: _Phrase, match: re.Match[str]) -> None:
    task = next(name for name, words in vocabulary.TASKS.items() if re.fullmatch(words, match[0]))
    if task not in phrase.tasks:
        phrase.tasks.append(task)


def _read_classification(phrase: _Phrase, _match: re.Match[str]) -> None:
    phrase.wants_classification = True


def _read_metric(phrase: _Phrase, match: re.Match[str]) -> None:
    name = vocabulary.metric_name(match["metric"])
    value = float(match["number"])
    if match["percent"] or (name in vocabulary.SHARES and 1 < value <= 100):  # noqa: PLR2004 - "accuracy above 95"
        value = round(value / 100, 12)
    words = match["suffix"] or match.groupdict().get("comparator") or ""
    phrase.add("metrics", vocabulary.operator(words, name), _plain(value), name)


def _read_order(phrase: _Phrase, match: re.Match[str]) -> None:
    name = vocabulary.metric_name(match["metric"])
    is_descending = {"highest": True, "lowest": False}.get(match["how"], name not in vocabulary.LOWER_IS_BETTER)
    phrase.order = Order(FieldName("metrics", name), is_descending)


def _read_superlative(phrase: _Phrase, match: re.Match[str]) -> None:
    field, is_descending = vocabulary.SUPERLATIVES[match[0]]
    phrase.order = Order(FieldName(field), is_descending)


def _read_best(phrase: _Phrase, _match: re.Match[str]) -> None:
    phrase.wants_best = True


def _plain(value: float) -> int | float:
    return int(value) if value.is_integer() else value


def _rule(pattern: str, read: Reader) -> tuple[re.Pattern[str], Reader]:
    return re.compile(pattern), read


_MEASURED = rf"(?:metrics\.)?(?P<metric>{vocabulary.KNOWN_METRIC}|[a-z_][\w\-]*)"
_KNOWN = rf"(?:metrics\.)?(?P<metric>{vocabulary.KNOWN_METRIC})"
_SUFFIX = rf"(?:\s*(?P<suffix>{vocabulary.SUFFIX}))?"
_RULES = (
    _rule(
        rf"(?<!\w)(?P<comparator>{vocabulary.COMPARATOR})\s*"
        r"(?P<amount>\d{1,12}(?:\.\d{1,12})?)\s*(?P<unit>[kmg])i?b(?!\w)",
        _read_size,
    ),
    _rule(r"\b(?P<when>since|after|before|newer than|older than) (?P<date>\d{4}-\d{2}-\d{2})\b", _read_date),
    _rule(
        r"\b(?P<before>mit|apache[\w.\-]*|bsd[\w\-]*|[al]?gpl[\w.\-]*|cc[\w.\-]*)[ -]licen[cs]ed?\b"
        r"|\blicen[cs]ed?(?: under| as)?(?: the)? (?P<after>[\w.\-]+)",
        _read_licence,
    ),
    _rule(
        rf"\b(?P<what>{'|'.join(sorted(vocabulary.FIELD_WORDS, key=len, reverse=True))})"
        r" @?(?P<words>[\w.\-]+(?:\s*,\s*[\w.\-]+)*)",
        _read_field,
    ),
    _rule(r"(?<!\w)@[\w.\-]*\w|\bchampion\b", _read_alias),
    _rule(rf"\b(?:{'|'.join(vocabulary.TASKS.values())})\b", _read_task),
    _rule(r"\bclassif(?:ication|iers?|y|ies|ying)\b", _read_classification),
    _rule(rf"(?<!\w)(?P<comparator>{vocabulary.COMPARATOR})\s*{vocabulary.NUMBER}\s*{_KNOWN}\b{_SUFFIX}", _read_metric),
    _rule(
        rf"(?<![\w.]){_MEASURED}\s*(?:is |of )?(?P<comparator>{vocabulary.COMPARATOR})\s*{vocabulary.NUMBER}{_SUFFIX}",
        _read_metric,
    ),
    _rule(rf"(?<![\w.]){_KNOWN}\s+(?:is |of )?{vocabulary.NUMBER}{_SUFFIX}", _read_metric),
    _rule(rf"(?<![\w.]){vocabulary.NUMBER}\s*{_KNOWN}\b{_SUFFIX}", _read_metric),
    _rule(rf"\b(?P<how>highest|lowest|(?:best |sorted |ordered |ranked )?by) {_KNOWN}\b", _read_order),
    _rule(rf"\b(?:{'|'.join(vocabulary.SUPERLATIVES)})\b", _read_superlative),
    _rule(r"\bbest\b|\bmost accurate\b", _read_best),
)
