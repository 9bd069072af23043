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
        found[name] = scalar(text) if is_parsed else text
    return found


def scalar(text: str) -> Scalar:
    """A number or a boolean, or the text itself."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float) else text
