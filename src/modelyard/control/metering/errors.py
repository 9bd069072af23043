"""What can be wrong with budgets and reports."""

from modelyard.errors import InvalidInputError, InvalidStateError, NotFoundError


class BudgetNotFoundError(NotFoundError):
    """The project has no budget."""

    code = "budget_not_found"


class BudgetExhaustedError(InvalidStateError):
    """The project has spent its budget, which stops new jobs."""

    code = "budget_exhausted"


class PeriodInvalidError(InvalidInputError):
    """The period ends before it begins."""

    code = "period_invalid"
