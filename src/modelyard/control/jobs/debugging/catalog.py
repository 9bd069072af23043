"""All rules, and how a job's choices apply to them."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import replace

from modelyard.control.jobs.debugging import class_rules, loss_rules, tensor_rules
from modelyard.control.jobs.debugging.errors import RuleInvalidError
from modelyard.control.jobs.debugging.verdicts import Rule
from modelyard.types.debugging.rules import RuleAction, RuleChoice, RuleDescription

ALL = "all"
_RULES = (
    loss_rules.FINITE,
    loss_rules.LOSS_NOT_DECREASING,
    loss_rules.OVERFITTING,
    tensor_rules.VANISHING_GRADIENTS,
    tensor_rules.EXPLODING_GRADIENTS,
    tensor_rules.DEAD_UNITS,
    class_rules.CLASS_IMBALANCE,
)
_BY_NAME = {rule.description.name: rule for rule in _RULES}


def descriptions() -> tuple[RuleDescription, ...]:
    """Of every rule."""
    return tuple(rule.description for rule in _RULES)


def chosen(choices: Sequence[RuleChoice]) -> Iterator[tuple[Rule, RuleChoice]]:
    """The rules that are on, each with how: a rule of which nothing is said notifies."""
    named = {choice.rule: choice for choice in choices}
    for name, rule in _BY_NAME.items():
        default = replace(named.get(ALL, RuleChoice(rule=name)), rule=name)
        choice = named.get(name, default)
        if choice.action is not RuleAction.OFF:
            yield rule, choice


def check(choices: Sequence[RuleChoice]) -> None:
    """Nothing if every choice names a rule, and thresholds that it has.

    Raises:
        RuleInvalidError: one does not.
    """
    for choice in choices:
        if choice.rule == ALL and not choice.settings:
            continue
        if choice.rule not in _BY_NAME:
            near = difflib.get_close_matches(choice.rule, _BY_NAME, 1)
            hint = f"Did you mean '{near[0]}'?" if near else f"There are {', '.join(_BY_NAME)}, and {ALL}."
            raise RuleInvalidError(f"There is no rule '{choice.rule[:80]}'", hint=hint, field="rules")
        known = {each.name: each for each in _BY_NAME[choice.rule].description.settings}
        for name, value in choice.settings.items():
            if name not in known:
                raise RuleInvalidError(
                    f"The rule '{choice.rule}' has no setting '{name[:80]}'",
                    hint=f"It has {', '.join(known)}." if known else "It has none.",
                    field="rules",
                )
            if not value >= known[name].minimum:
                raise RuleInvalidError(
                    f"'{name}' of the rule '{choice.rule}' is {value:g}",
                    hint=f"It is {known[name].minimum:g} or more: {known[name].description}",
                    field="rules",
                )
