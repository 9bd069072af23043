"""What can be wrong with rules on jobs."""

from modelyard.errors import InvalidInputError


class RuleInvalidError(InvalidInputError):
    """There is no such rule, or it has no such setting."""

    code = "rule_invalid"
