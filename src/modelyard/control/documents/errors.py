"""Errors of documents."""

from modelyard.errors import AlreadyExistsError, NotFoundError


class DocumentNotFoundError(NotFoundError):
    """No document of this kind has this name."""

    code = "document_not_found"


class DocumentExistsError(AlreadyExistsError):
    """A document of this kind has this name."""

    code = "document_exists"
