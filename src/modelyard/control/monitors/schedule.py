"""When monitors run: every so many seconds, by cron, or after so many rows."""

from datetime import datetime, timedelta

from croniter import croniter

from modelyard.control.monitors.errors import ScheduleInvalidError
from modelyard.types.monitoring import Monitor

_WEEK_SECONDS = 7 * 86400.0
_POLL_SECONDS = 10.0
_CRON_FIELDS = 5
_SAMPLED_TIMES = 64


def check_schedule(cron: str | None, every_rows: int | None) -> None:
    """Nothing if the schedule makes sense.

    Raises:
        ScheduleInvalidError: both are given, or the cron expression never comes due.
    """
    if cron is not None and every_rows is not None:
        raise ScheduleInvalidError(
            "A monitor runs by cron or after so many rows, not both", hint="Give one of them.", field="cron"
        )
    if cron is not None and (len(cron.split()) != _CRON_FIELDS or not croniter.is_valid(cron)):
        raise ScheduleInvalidError(
            f"'{cron[:80]}' is no cron expression",
            hint="Five fields in UTC: minute, hour, day, month, weekday; '0 6 * * 1-5' is 6:00 on working days.",
            field="cron",
        )


def next_run(monitor: Monitor, now: datetime) -> datetime:
    """When the next check is due, or, with `every_rows`, when to count the rows again."""
    if monitor.every_rows is not None:
        return now + timedelta(seconds=_POLL_SECONDS)
    if monitor.cron is not None:
        coming: datetime = croniter(monitor.cron, now).get_next(datetime)
        return coming
    return now + timedelta(seconds=monitor.interval_seconds)


def following_run(monitor: Monitor, slot: datetime, now: datetime) -> datetime:
    """The check after the one that was due at `slot`; those that were missed are not made up for."""
    if monitor.cron is not None or monitor.every_rows is not None:
        return next_run(monitor, now)
    interval = timedelta(seconds=monitor.interval_seconds)
    return max(slot + interval, now + interval / 2)


def checks_per_week(monitor: Monitor, now: datetime, rows_last_week: int) -> float:
    """How often the monitor looks, to share its false alarms: by its schedule, or by the traffic of the last week."""
    if monitor.every_rows is not None:
        return max(1.0, rows_last_week / monitor.every_rows)
    if monitor.cron is not None:
        times = croniter(monitor.cron, now)
        last = now
        for _ in range(_SAMPLED_TIMES):
            last = times.get_next(datetime)
        return _SAMPLED_TIMES * _WEEK_SECONDS / (last - now).total_seconds()
    return _WEEK_SECONDS / monitor.interval_seconds
