"""Errors of models, versions and their files."""

from modelyard.errors import (
    AlreadyExistsError,
    InternalError,
    InvalidInputError,
    InvalidStateError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    TooLargeError,
    UnavailableError,
)


class ModelNotFoundError(NotFoundError):
    """No model has this name in this project."""

    code = "model_not_found"


class ModelExistsError(AlreadyExistsError):
    """There is a model of this name already."""

    code = "model_exists"


class ModelVersionNotFoundError(NotFoundError):
    """The model has no such version, or no such alias."""

    code = "model_version_not_found"


class ModelFileNotFoundError(NotFoundError):
    """The version has no file of this path."""

    code = "model_file_not_found"


class AliasNotFoundError(NotFoundError):
    """The model has no such alias."""

    code = "alias_not_found"


class ModelInUseError(InvalidStateError):
    """A version that an endpoint serves, or an alias points to, cannot be deleted."""

    code = "model_in_use"


class ModelRefInvalidError(InvalidInputError):
    """A reference that is none of "name", "name:3", "name:latest" and "name@alias"."""

    code = "model_ref_invalid"


class TargetUnknownError(InvalidInputError):
    """Versions cannot be compiled to a target of this name."""

    code = "target_unknown"


class BundleInvalidError(InvalidInputError):
    """The files are no bundle: a path, the manifest, or what the manifest says about the files is wrong."""

    code = "bundle_invalid"


class BundleTooLargeError(TooLargeError):
    """The files are over the limit for one version."""

    code = "bundle_too_large"


class CodeNotPermittedError(PermissionDeniedError):
    """A model that is a program, in a project that does not permit code."""

    code = "code_not_permitted"


class InspectionFailedError(InvalidInputError):
    """The sandboxed inspection of a bare artifact was ended by a limit, or by the artifact."""

    code = "inspection_failed"


class InspectionUnavailableError(UnavailableError):
    """The sandboxed inspection could not run to its end for a reason outside the artifact."""

    code = "inspection_unavailable"


class InspectionsBusyError(OverloadedError):
    """As many artifacts as may be are inspected already."""

    code = "inspections_busy"


class BundleDamagedError(InternalError):
    """A stored file does not have the digest that was recorded for it."""

    code = "bundle_damaged"
