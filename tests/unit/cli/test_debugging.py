"""What people write of rules and of what is to be tried, and how a profile looks."""

import pytest

from modelyard.cli.commands.compute.options import read_spans
from modelyard.cli.commands.debugging.profiles import bars
from modelyard.sdk.resources.debugging.rules import RuleTextInvalidError, choices_of, read_rule
from modelyard.types.debugging.rules import RuleAction, RuleChoice


def test_what_to_try_may_be_written_as_other_tools_write_it():
    spans = ("a=loguniform(1e-4,1e-1)", "b=uniform(0, 1)", "c=choice(2,4,x)", "d=2..10", "e=1..100:log", "f=2.0..10")
    assert read_spans([*spans]) == {
        "a": {"low": 1e-4, "high": 0.1, "log": True},
        "b": {"low": 0.0, "high": 1.0},
        "c": [2, 4, "x"],
        "d": {"low": 2.0, "high": 10.0, "whole": True},
        "e": {"low": 1.0, "high": 100.0, "log": True, "whole": True},
        "f": {"low": 2.0, "high": 10.0},
    }


def test_rules_are_read_as_they_are_written():
    assert read_rule("overfitting:stop:patience=10,rise=0.2") == RuleChoice(
        rule="overfitting", action=RuleAction.STOP, settings={"patience": 10.0, "rise": 0.2}
    )
    (notify, off) = choices_of(["not_finite", RuleChoice(rule="all", action=RuleAction.OFF)])
    assert (notify["action"], off["action"]) == ("notify", "off")


@pytest.mark.parametrize("text", [":stop", "overfitting:halt", "overfitting:stop:patience", "overfitting:stop:rise=x"])
def test_a_rule_of_another_form_is_refused_with_an_example(text: str):
    with pytest.raises(RuleTextInvalidError) as refused:
        read_rule(text)
    assert "overfitting:stop" in refused.value.hint


def test_bars_are_as_high_as_the_most_in_their_stretch_of_time():
    assert bars([0.0, 0.5, 1.0]) == " ▄█"
    assert bars([]) == ""
    assert bars([0.0, 0.0]) == "  "
    many = bars([float(number) for number in range(1000)])
    assert len(many) <= 48
    assert many[-1] == "█"
