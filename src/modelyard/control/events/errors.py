"""Errors of events."""

from modelyard.errors import InvalidInputError


class EventIdInvalidError(InvalidInputError):
    """Last-Event-ID is not the id of an event."""

    code = "event_id_invalid"
