"""Errors of alerts."""

from modelyard.errors import AlreadyExistsError, InvalidInputError, NotFoundError


class ChannelNotFoundError(NotFoundError):
    """No channel of this name in the project."""

    code = "alert_channel_not_found"


class ChannelExistsError(AlreadyExistsError):
    """The name is taken."""

    code = "alert_channel_exists"


class ChannelTargetInvalidError(InvalidInputError):
    """A URL or address to which nothing can be sent."""

    code = "alert_target_invalid"
