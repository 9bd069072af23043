"""The one error of the query language: it points at the wrong word."""

from modelyard.errors import InvalidInputError


class SearchQueryInvalidError(InvalidInputError):
    """A query that does not parse, or that asks something its fields cannot answer."""

    code = "search_query_invalid"

    def __init__(self, fault: str, query: str, position: int, length: int = 1, *, hint: str = "") -> None:
        """`position` counts characters from 0; the message shows it from 1, with a line of carets under the word."""
        self.position = position
        self.length = max(1, length)
        line = "".join(" " if character.isspace() else character for character in query)
        carets = " " * position + "^" * self.length
        super().__init__(f"{fault} at position {position + 1}\n{line}\n{carets}", hint=hint, field="query")
