"""Cron expressions, in UTC."""

from datetime import datetime

from croniter import croniter

from modelyard.control.retraining.errors import ScheduleInvalidError


def check_schedule(expression: str) -> str:
    """The expression, if it is one of five fields.

    Raises:
        ScheduleInvalidError: it is none.
    """
    if len(expression.split()) != 5 or not croniter.is_valid(expression):  # noqa: PLR2004 - minute to weekday
        raise ScheduleInvalidError(
            f"'{expression[:80]}' is no cron expression",
            hint="Write minute, hour, day of month, month and day of week, in UTC: '0 3 * * 1' is Mondays at three.",
            field="triggers.schedule",
        )
    return expression


def last_slot(expression: str, now: datetime) -> datetime:
    """The newest moment of the schedule that is not after `now`."""
    moment: datetime = croniter(expression, now).get_next(datetime)
    before: datetime = croniter(expression, moment).get_prev(datetime)
    return before


def next_slot(expression: str, now: datetime) -> datetime:
    """The first moment of the schedule after `now`."""
    moment: datetime = croniter(expression, now).get_next(datetime)
    return moment
