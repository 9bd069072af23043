"""Rules on live figures, as people write them."""

from collections.abc import Sequence

from modelyard.errors import InvalidInputError
from modelyard.types.debugging.rules import RuleAction, RuleChoice

Rules = Sequence[str | RuleChoice]


class RuleTextInvalidError(InvalidInputError):
    """A rule that is not of the form NAME:ACTION:SETTING=NUMBER."""

    code = "rule_text_invalid"


def choices_of(rules: Rules) -> list[dict[str, object]]:
    """As requests have them.

    Raises:
        RuleTextInvalidError: one is of another form.
    """
    found = [rule if isinstance(rule, RuleChoice) else read_rule(rule) for rule in rules]
    return [{"rule": each.rule, "action": each.action, "settings": each.settings} for each in found]


def read_rule(text: str) -> RuleChoice:
    """`overfitting:stop`, `overfitting:stop:patience=10,rise=0.2`, `all:off`, ...

    Raises:
        RuleTextInvalidError: it is of another form.
    """
    name, _, rest = text.partition(":")
    action, _, settings = rest.partition(":")
    if not name or action not in ("", *RuleAction):
        raise RuleTextInvalidError(
            f"'{text[:80]}' is not of the form NAME:ACTION",
            hint="Write it like overfitting:stop; the actions are notify, stop and off.",
            field="rules",
        )
    given = dict(_setting(text, word) for word in settings.split(",") if word)
    return RuleChoice(rule=name, action=RuleAction(action or RuleAction.NOTIFY), settings=given)


def _setting(text: str, word: str) -> tuple[str, float]:
    name, _, value = word.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise RuleTextInvalidError(
            f"In '{text[:80]}' there is '{word[:40]}' where SETTING=NUMBER belongs",
            hint="Write it like overfitting:stop:patience=10. modelyard jobs rules shows the settings.",
            field="rules",
        ) from None
