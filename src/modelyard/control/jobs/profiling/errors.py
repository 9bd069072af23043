"""What can be wrong with the wish for a profile."""

from modelyard.errors import NotFoundError


class ProfileNotFoundError(NotFoundError):
    """Nobody has looked at the job's processes often enough."""

    code = "profile_not_found"
