"""What can be wrong with people's own code, before it runs."""

from modelyard.errors import InvalidInputError, NotFoundError, PermissionDeniedError, UnavailableError


class ScriptForbiddenError(PermissionDeniedError):
    """The project does not permit code."""

    code = "script_forbidden"


class SnapshotInvalidError(InvalidInputError):
    """The upload is no zip file, or one that would leave its folder or unpack to far more than it is."""

    code = "snapshot_invalid"


class SnapshotNotFoundError(NotFoundError):
    """The project has no snapshot of this digest."""

    code = "snapshot_not_found"


class OutputNotFoundError(NotFoundError):
    """The job has left no file of this name."""

    code = "output_not_found"


class JavaMissingError(UnavailableError):
    """The packages of a job run in Java, and this machine has none that will do."""

    code = "java_missing"
