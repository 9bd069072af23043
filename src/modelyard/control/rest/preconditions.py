"""Version checks on updates: a resource's `version` is its ETag, and If-Match refuses to overwrite another's change."""

from modelyard.errors import PreconditionFailedError


def check_version(what: str, version: int, expected: int | None) -> None:
    """Nothing if `expected` is None (the caller did not ask) or equals the present `version`.

    Raises:
        PreconditionFailedError: `what` ("project 'default'") was changed since the caller read it.
    """
    if expected is not None and expected != version:
        raise PreconditionFailedError(
            f"{what[:1].upper()}{what[1:]} is at version {version}, not {expected}: it was changed since you read it",
            hint="Read it again, apply your change to what it is now, and send If-Match with its new ETag.",
        )
