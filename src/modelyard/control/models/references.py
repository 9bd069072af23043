"""How versions are named: "digits", "digits:3", "digits:latest", "digits@champion"."""

from dataclasses import dataclass

from modelyard.control.models.errors import ModelRefInvalidError
from modelyard.errors import InvalidInputError
from modelyard.kit.ids import check_name

LATEST = "latest"
_MAXIMUM_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Selector:
    """One version of a model: by number, by alias, or (both None) the newest."""

    number: int | None = None
    alias: str | None = None

    def __str__(self) -> str:
        return f"@{self.alias}" if self.alias is not None else f":{self.number or LATEST}"


def parse_selector(text: str) -> Selector:
    """From "3", "latest" or "@champion".

    Raises:
        ModelRefInvalidError: anything else.
    """
    if text == LATEST:
        return Selector()
    if text.startswith("@") and len(text) > 1:
        return Selector(alias=text[1:])
    if text.isascii() and text.isdecimal() and len(text) <= _MAXIMUM_DIGITS:
        return Selector(number=int(text))
    raise _invalid(text)


def parse_ref(ref: str) -> tuple[str, Selector]:
    """The model's name and the selector; a bare name means the newest version.

    Raises:
        ModelRefInvalidError: not a reference.
    """
    name, at, alias = ref.partition("@")
    if at:
        selector = parse_selector(f"@{alias}")
    else:
        name, colon, number = ref.partition(":")
        selector = parse_selector(number) if colon else Selector()
    try:
        check_name(name)
    except InvalidInputError:
        raise _invalid(ref) from None
    return name, selector


def check_alias(alias: str) -> str:
    """`alias`, if it is a name that cannot be taken for a number or for "latest".

    Raises:
        ModelRefInvalidError: it can.
        NameInvalidError: it is no name.
    """
    if alias == LATEST or alias.isdecimal():
        raise ModelRefInvalidError(
            f"'{alias}' cannot be an alias: it already means a version",
            hint="Use a word, e.g. 'champion'.",
            field="alias",
        )
    return check_name(alias, "alias")


def _invalid(text: str) -> ModelRefInvalidError:
    return ModelRefInvalidError(
        f"'{text[:120]}' names no model version",
        hint="Write 'digits' or 'digits:latest' (the newest), 'digits:3', or 'digits@champion'.",
        field="ref",
    )
