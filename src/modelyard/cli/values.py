"""NAME=VALUE on the command line."""

import json
from collections.abc import Iterable

from modelyard.errors import InvalidInputError
from modelyard.types.signatures import Scalar


class SettingInvalidError(InvalidInputError):
    """An option that is not of the form NAME=VALUE."""

    code = "setting_invalid"


def settings(given: Iterable[str] | None, *, is_parsed: bool = True) -> dict[str, Scalar]:
    """NAME=VALUE pairs; numbers and booleans as such, everything else is text ("128,64").

    Raises:
        SettingInvalidError: one is of another form.
    """
    found: dict[str, Scalar] = {}
    for item in given or ():
        name, mark, text = item.partition("=")
        if not mark or not name:
            raise SettingInvalidError(f"'{item}' is not of the form NAME=VALUE", hint="Write it like epochs=20.")
        found[name] = _scalar(text) if is_parsed else text
    return found


def spans(given: Iterable[str] | None) -> dict[str, dict[str, Scalar] | list[Scalar]]:
    """What to try, by name: `NAME=LOW..HIGH`, with `:log` or `:STEP` behind it, or `NAME=A,B,C`.

    Raises:
        SettingInvalidError: one is of another form.
    """
    return dict(_span(text) for text in given or ())


def _scalar(text: str) -> Scalar:
    """A number or a boolean, or the text itself."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float) else text


def _span(text: str) -> tuple[str, dict[str, Scalar] | list[Scalar]]:
    name, mark, span = text.partition("=")
    if not mark or not name or not span:
        raise SettingInvalidError(f"'{text}' is not of the form NAME=SPAN", hint="Write it like max_depth=2..10.")
    low, is_range, rest = span.partition("..")
    if not is_range:
        return name, [_scalar(each) for each in span.split(",")]
    high, _, how = rest.partition(":")
    found: dict[str, Scalar] = {"low": _number(text, low), "high": _number(text, high)}
    if how == "log":
        found["log"] = True
    elif how:
        found["step"] = _number(text, how)
    return name, found


def _number(text: str, word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise SettingInvalidError(
            f"In '{text}' there is '{word}' where a number belongs", hint="Write it like learning_rate=0.01..0.3:log."
        ) from None
