"""Plain phrases -> Query: "image classification with accuracy above 0.95".

A list of patterns, each tried on what the earlier ones left of the phrase. What none of them understands becomes a
text search, so that every phrase has an answer; the answer shows the query, so that a reader sees what was understood.
"""

import re
from collections.abc import Callable

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
)

_FIELD_NAMES = "|".join(
    sorted((re.escape(name) + (r"\.\w+" if f.is_open else "") for name, f in FIELDS.items()), key=len, reverse=True)
)
_LOOKS_LIKE_QUERY = re.compile(
    rf"[\"'()=~](?<![<>]=)|\b(?:{_FIELD_NAMES}|{'|'.join(SYNONYMS)})\s*[<>]|\border\s+by\b|\S\s+in\s*\(", re.IGNORECASE
)

_GREATER = r"above|over|more than|greater than|better than|higher than|larger than|exceeding|>"
_AT_LEAST = r"at least|no less than|not less than|minimum|min|from|>="
_LESS = r"below|under|less than|lower than|smaller than|fewer than|<"
_AT_MOST = r"at most|no more than|not more than|up to|maximum|max|<="
_COMPARATOR = rf"{_AT_LEAST}|{_AT_MOST}|{_GREATER}|{_LESS}|of|is"
_NUMBER = r"(?P<number>\d+(?:\.\d+)?|\.\d+)\s*(?P<percent>%|percent\b)?"
_METRIC_NAMES = {
    "acc": "accuracy",
    "f1 score": "f1",
    "f1-score": "f1",
    "roc auc": "auc",
    "area under the curve": "auc",
    "log loss": "log_loss",
    "mean absolute error": "mae",
    "root mean squared error": "rmse",
}
_SHARES = frozenset({"accuracy", "balanced_accuracy", "precision", "recall", "f1", "auc", "r2"})
_ERRORS = frozenset({"rmse", "mae", "mse", "mape", "loss", "log_loss", "error"})
_TASKS = (
    (
        r"image[ -]classif\w+|classif\w+ (?:of )?images?|image[ -]recognition|image[ -]labell?ing",
        "image-classification",
    ),
    (r"(?:tabular|table)[ -]classif\w+|classif\w+ (?:of )?(?:tables?|rows)", "tabular-classification"),
    (r"(?:(?:tabular|table)[ -])?regress(?:ion|ors?)", "tabular-regression"),
)
_STOP_WORDS = frozenset(
    "a all an and any are at by can do does find for get give has have having i in is it its list me model models need "
    "of on or order please search show some that the them these to want what where which who with whose score".split()
)


def is_phrase(text: str) -> bool:
    """True if `text` has none of the marks of the query language, so that a fault in it is no query's fault."""
    return not _LOOKS_LIKE_QUERY.search(text)


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
        self._rest = " ".join(text.lower().split())
        self._tasks: list[str] = []
        self._terms: list[Expression] = []
        self._superlative = ""
        self._order: Order | None = None

    def take(self, pattern: re.Pattern[str], read: "Callable[[_Phrase, re.Match[str]], None]") -> None:
        """Let `read` understand each match of `pattern`, and cut it out."""

        def understood(match: re.Match[str]) -> str:
            read(self, match)
            return " | "  # words on both sides of what was cut out are no neighbours

        self._rest = pattern.sub(understood, self._rest)

    def take_rest(self) -> None:
        """What nobody understood is looked for in the texts."""
        words = [word for word in re.findall(r"[\w@.\-]+", self._rest) if word.strip(".-") not in _STOP_WORDS]
        if words:
            self.compare(FieldName("text"), Operator.CONTAINS, " ".join(words))

    def query(self) -> Query:
        """All that was understood."""
        terms = list(self._terms)
        if len(self._tasks) == 1:
            terms.insert(0, Comparison(FieldName("task"), Operator.EQUAL, (self._tasks[0],)))
        elif self._tasks:
            terms.insert(0, Comparison(FieldName("task"), Operator.IN, tuple(dict.fromkeys(self._tasks))))
        return Query(conjunction(terms) if terms else None, self._ordering())

    def compare(self, field: FieldName, operator: Operator, value: str | float) -> None:
        """Add a condition."""
        self._terms.append(Comparison(field, operator, (value,)))

    def task(self, match: re.Match[str], name: str) -> None:
        del match
        self._tasks.append(name)

    def any_classification(self, _match: re.Match[str]) -> None:
        self.compare(FieldName("task"), Operator.CONTAINS, "classification")

    def metric(self, match: re.Match[str]) -> None:
        name = _metric_name(match["metric"])
        value = float(match["number"])
        if match["percent"] or (name in _SHARES and 1 < value <= 100):  # noqa: PLR2004 - "accuracy above 95"
            value = round(value / 100, 12)
        words = match.groupdict().get("comparator") or ""
        words = match.groupdict().get("suffix") or words
        self.compare(FieldName("metrics", name), _operator(words, name), _plain(value))

    def size(self, match: re.Match[str]) -> None:
        unit = {"k": 10**3, "m": 10**6, "g": 10**9}[match["unit"]]
        operator = _operator(match["comparator"], "")
        self.compare(FieldName("size_bytes"), operator, _plain(float(match["number"]) * unit))

    def date(self, match: re.Match[str]) -> None:
        try:
            parse_time(match["date"])
        except ValueError:
            self.compare(FieldName("text"), Operator.CONTAINS, match["date"])
            return
        operator = Operator.LESS if match["when"] in ("before", "older than") else Operator.GREATER_OR_EQUAL
        self.compare(FieldName("created_at"), operator, match["date"])

    def named(self, match: re.Match[str]) -> None:
        field, operator = _NAMED[match["what"]]
        for word in re.split(r"\s*,\s*", match["word"]):
            self.compare(FieldName(field), operator, word)

    def alias(self, match: re.Match[str]) -> None:
        self.compare(FieldName("alias"), Operator.EQUAL, match["word"])

    def licence(self, match: re.Match[str]) -> None:
        self.compare(FieldName("licence"), Operator.CONTAINS, match["before"] or match["after"])

    def superlative(self, match: re.Match[str]) -> None:
        self._superlative = match["word"]

    def best_by(self, match: re.Match[str]) -> None:
        name = _metric_name(match["metric"])
        if name in _STOP_WORDS:
            self._superlative = "best"
            return
        is_descending = match["word"] == "highest" if match["word"] in ("highest", "lowest") else name not in _ERRORS
        self._order = Order(FieldName("metrics", name), is_descending=is_descending)

    def _ordering(self) -> tuple[Order, ...]:
        if self._order is not None:
            return (self._order,)
        if self._superlative in ("smallest", "largest"):
            return (Order(FieldName("size_bytes"), is_descending=self._superlative == "largest"),)
        if self._superlative in ("newest", "latest", "most recent", "oldest"):
            return (Order(FieldName("created_at"), is_descending=self._superlative != "oldest"),)
        if not self._superlative:
            return ()
        metrics = [c.field for c in self._terms if isinstance(c, Comparison) and c.field.family == "metrics"]
        field = metrics[0] if metrics else FieldName("metrics", "accuracy")
        return (Order(field, is_descending=field.key not in _ERRORS),)


_WORD = r"@?(?P<word>[\w.\-]+(?:\s*,\s*[\w.\-]+)*)"
_NAMED = {
    "tagged": ("tags", Operator.EQUAL),
    "tag": ("tags", Operator.EQUAL),
    "tags": ("tags", Operator.EQUAL),
    "called": ("name", Operator.EQUAL),
    "named": ("name", Operator.EQUAL),
    "using": ("algorithm", Operator.CONTAINS),
    "trained with": ("algorithm", Operator.CONTAINS),
    "trained by": ("algorithm", Operator.CONTAINS),
    "deployed at": ("endpoint", Operator.EQUAL),
    "deployed to": ("endpoint", Operator.EQUAL),
    "served by": ("endpoint", Operator.EQUAL),
}
_METRIC = r"(?P<metric>(?:" + "|".join(map(re.escape, _METRIC_NAMES)) + r"|[a-z_][\w\-]*))"
_SUFFIX = r"(?:\s*(?P<suffix>or (?:better|more|higher|above|less|lower|below)))?"

Rule = tuple[re.Pattern[str], Callable[[_Phrase, re.Match[str]], None]]
_RULES: tuple[Rule, ...] = (
    (
        re.compile(
            rf"(?:\b(?:size|that is|is)\s+)?(?P<comparator>{_COMPARATOR})\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[kmg])i?b\b"
        ),
        _Phrase.size,
    ),
    (re.compile(r"\b(?P<when>since|after|before|newer than|older than)\s+(?P<date>\d{4}-\d{2}-\d{2})\b"), _Phrase.date),
    (
        re.compile(
            r"\b(?P<before>mit|apache[\w.\-]*|bsd[\w\-]*|[al]?gpl[\w.\-]*|cc[\w.\-]*)[ -]licen[cs]ed?\b"
            r"|\blicen[cs]ed?(?: under| as)?(?: the)? (?P<after>[\w.\-]+)"
        ),
        _Phrase.licence,
    ),
    (re.compile(rf"\b(?P<what>{'|'.join(sorted(_NAMED, key=len, reverse=True))})\s+{_WORD}"), _Phrase.named),
    (re.compile(r"(?<!\w)(?:@|alias )(?P<word>[\w.\-]+)|\b(?:the )?(?P<champion>champion)\b"), _Phrase.alias),
    *(
        (re.compile(rf"\b(?:{pattern})\b"), lambda phrase, match, name=name: phrase.task(match, name))
        for pattern, name in _TASKS
    ),
    (re.compile(r"\b(?:classifi(?:cation|ers?)|classif(?:y|ies|ying))\b"), _Phrase.any_classification),
    (
        re.compile(rf"\b(?P<comparator>{_AT_LEAST}|{_AT_MOST}|{_GREATER}|{_LESS})\s*{_NUMBER}{_SUFFIX}\s+{_METRIC}\b"),
        _Phrase.metric,
    ),
    (
        re.compile(rf"\b{_METRIC}\s*(?:is |that is )?(?P<comparator>{_COMPARATOR})?\s*{_NUMBER}(?![\w.]){_SUFFIX}"),
        _Phrase.metric,
    ),
    (
        re.compile(rf"\b(?P<word>highest|lowest|sorted by|ordered by|best by|ranked by|by)\s+{_METRIC}\b"),
        _Phrase.best_by,
    ),
    (
        re.compile(r"\b(?P<word>best|most accurate|smallest|largest|newest|latest|most recent|oldest)\b"),
        _Phrase.superlative,
    ),
)


def _metric_name(words: str) -> str:
    return _METRIC_NAMES.get(words, words)


def _operator(words: str, metric: str) -> Operator:
    """The operator that some words stand for; none of them ("accuracy 0.9"): at least as good as that."""
    for operator, pattern in (
        (Operator.GREATER_OR_EQUAL, rf"{_AT_LEAST}|or (?:more|higher|above)"),
        (Operator.LESS_OR_EQUAL, rf"{_AT_MOST}|or (?:less|lower|below)"),
        (Operator.GREATER, _GREATER),
        (Operator.LESS, _LESS),
    ):
        if re.fullmatch(pattern, words):
            is_reversed = words == "better than" and metric in _ERRORS
            return Operator.LESS if is_reversed else operator
    return Operator.LESS_OR_EQUAL if metric in _ERRORS else Operator.GREATER_OR_EQUAL


def _plain(value: float) -> int | float:
    return int(value) if value.is_integer() else value
