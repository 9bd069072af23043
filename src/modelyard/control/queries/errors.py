"""Errors of queries."""

from modelyard.errors import InvalidInputError, InvalidStateError


class QueryInvalidError(InvalidInputError):
    """SQL that is no single SELECT, names what is not there, or asks for what is forbidden."""

    code = "query_invalid"


class QueryTooLargeError(InvalidInputError):
    """More captures than a query may look at, or more memory or time than it may take."""

    code = "query_too_large"


class QueriesUnavailableError(InvalidStateError):
    """The database that answers queries is not installed."""

    code = "queries_unavailable"
