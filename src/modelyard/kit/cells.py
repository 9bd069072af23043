"""What a written table cell means, the same wherever one is read: in data sets, in requests, in the client."""

import json
import re

MISSING = frozenset(
    ("", "#N/A", "#NA", "-nan", "-NaN", "<NA>", "?", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null")
)
TRUE_WORDS = frozenset(("true", "t", "yes", "y"))
FALSE_WORDS = frozenset(("false", "f", "no", "n"))
DELIMITERS = (",", ";", "\t", "|")
PLAIN_NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
GROUPED_NUMBER = r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?"

_plain = re.compile(PLAIN_NUMBER, re.ASCII)
_grouped = re.compile(GROUPED_NUMBER, re.ASCII)


def as_scalar(text: str) -> str | int | float | bool:
    """A JSON number, true or false if the text is one, else the text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float) and value == value else text  # noqa: PLR0124 - not NaN


def as_number(text: str) -> float:
    """The number in a trimmed cell, also a grouped one ("1,234.5"); the words for true and false are 1 and 0.

    Raises:
        ValueError: there is none.
    """
    if _plain.fullmatch(text):
        return float(text)
    if _grouped.fullmatch(text):
        return float(text.replace(",", ""))
    word = text.lower()
    if word not in TRUE_WORDS | FALSE_WORDS:
        raise ValueError(text)
    return float(word in TRUE_WORDS)
