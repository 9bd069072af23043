"""Rules on live figures: which there are, and what they have found on a job."""

from modelyard.cli.session import Session
from modelyard.types.debugging.rules import Finding, RuleDescription


def list_rules(session: Session) -> None:
    """Rules on live figures, with their thresholds. All apply to every job that trains, and notify."""
    session.out.table(
        session.client.jobs.rules(),
        {
            "Rule": lambda rule: rule.name,
            "Finds something when": lambda rule: rule.finds,
            "Looks at": lambda rule: rule.looks_at,
            "Settings": _settings,
        },
        empty="There are no rules.",
    )


def finding_words(findings: tuple[Finding, ...]) -> str:
    """What rules have found, a line each."""
    return "\n".join(f"{each.rule} at step {each.step}: {each.message}" for each in findings)


def _settings(rule: RuleDescription) -> str:
    return ", ".join(f"{each.name}={each.default:g}" for each in rule.settings)
