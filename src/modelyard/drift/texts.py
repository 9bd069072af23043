"""What is said of a text column: its length and its language. Words themselves are the model's business."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_MIN_DISTINCT, _MIN_LENGTH, _MIN_WORDS = 0.5, 16, 3
_LOOKED_AT = 2_000
_READ_CHARACTERS = 400  # a language shows early; the rest would only take time
UNKNOWN_LANGUAGE = "none"


def is_text(values: NDArray[Any]) -> bool:
    """True for a column of prose, (n,) of str: mostly different values, of several words. Else it holds categories."""
    looked = [text for text in map(str, values[:_LOOKED_AT].tolist()) if text]
    if not looked:
        return False
    has_words = float(np.median([len(text.split()) for text in looked])) >= _MIN_WORDS
    is_long = float(np.median([len(text) for text in looked])) >= _MIN_LENGTH
    return has_words and is_long and len(set(looked)) >= _MIN_DISTINCT * len(looked)


def lengths(values: NDArray[Any]) -> NDArray[np.float64]:
    """Characters of each text, (n,) of str -> (n,); NaN for an empty one."""
    return np.array([len(text) or np.nan for text in map(str, values.tolist())], dtype=np.float64)


def languages(values: NDArray[Any]) -> NDArray[Any]:
    """Language of each text as its ISO 639-1 code, (n,) of str -> (n,) object; "none" without letters, "" if empty."""
    from py3langid.langid import classify  # noqa: PLC0415 - reads its model of 4 MB

    known: dict[str, str] = {"": ""}
    found = []
    for text in map(str, values.tolist()):
        head = text[:_READ_CHARACTERS]
        if head not in known:
            known[head] = str(classify(head)[0]) if any(map(str.isalpha, head)) else UNKNOWN_LANGUAGE
        found.append(known[head])
    return np.array(found, dtype=object)
