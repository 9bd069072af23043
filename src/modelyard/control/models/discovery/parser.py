"""Text -> Query. Whatever is wrong with the text, the error is SearchQueryInvalidError and points at the word."""

import functools

from lark import Lark, UnexpectedInput
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from modelyard.control.models.discovery.builder import Builder, FaultError
from modelyard.control.models.discovery.errors import SearchQueryInvalidError
from modelyard.control.models.discovery.fields import titles
from modelyard.control.models.discovery.syntax import Query, depth

MAX_LENGTH = 2_000
_MAX_DEPTH = 20
_HELP = 'For example: task = "image-classification" and metrics.accuracy >= 0.95 order by metrics.accuracy desc'

_GRAMMAR = r"""
start: [expression] [ordering]
?expression: conjunction (_OR conjunction)*         -> any
?conjunction: negation (_AND negation)*             -> all
?negation: _NOT negation                            -> opposite
    | "(" expression ")"
    | FIELD OPERATOR value                          -> comparison
    | FIELD _IN "(" value ("," value)* ")"          -> membership
    | FIELD _NOT _IN "(" value ("," value)* ")"     -> absence
value: STRING | NUMBER | FIELD
ordering: _ORDER _BY key ("," key)*
key: FIELD [DIRECTION]

_AND.3: /and(?![\w.\-])/i
_OR.3: /or(?![\w.\-])/i
_NOT.3: /not(?![\w.\-])/i
_IN.3: /in(?![\w.\-])/i
_ORDER.3: /order(?![\w.\-])/i
_BY.3: /by(?![\w.\-])/i
DIRECTION.3: /(ascending|asc|descending|desc)(?![\w.\-])/i
OPERATOR: /!=|<>|>=|<=|==|=|>|<|~/
NUMBER: /[+\-]?(\d+(\.\d*)?|\.\d+)(e[+\-]?\d+)?(%|[kmgt]i?b(?![\w]))?/i
STRING: /"(\\.|[^"\\])*"|'(\\.|[^'\\])*'/s
FIELD: /[A-Za-z_][\w\-]*(\.([\w\-]+|"(\\.|[^"\\])+"))*/s
%ignore /\s+/
"""


def parse_query(text: str) -> Query:
    """The query that `text` says; an empty text is the query for everything.

    Raises:
        SearchQueryInvalidError: it does not parse, names an unknown field, or asks a field what it cannot hold.
    """
    check_text(text)
    try:
        query = _lark().parse(text)
    except FaultError as fault:
        raise _pointing(text, fault) from None
    except UnexpectedInput as unexpected:
        raise _unexpected(text, unexpected) from None
    assert isinstance(query, Query)  # noqa: S101 - tells the type checker what Builder.start returns
    if query.where is not None and depth(query.where) > _MAX_DEPTH:
        fault_text = f"conditions are nested deeper than {_MAX_DEPTH} levels"
        raise SearchQueryInvalidError(fault_text, text, 0, hint="Write it flatter.")
    return query


def check_text(text: str) -> None:
    """Nothing if `text` is short enough and has only characters that a database stores (no NUL, no half surrogates).

    Raises:
        SearchQueryInvalidError: it is too long, or has such a character.
    """
    if len(text) > MAX_LENGTH:
        fault = f"the query has {len(text)} characters, more than {MAX_LENGTH}, and is cut"
        raise SearchQueryInvalidError(fault, text[:80], 79, hint="Ask a shorter question.")
    position = next((at for at, c in enumerate(text) if c == "\0" or "\ud800" <= c <= "\udfff"), None)
    if position is not None:
        shown = text.replace("\0", " ").encode(errors="replace").decode()
        raise SearchQueryInvalidError("a character that is no text", shown, position, hint="Remove it.")


@functools.cache
def _lark() -> Lark:
    """LALR with the builder embedded: no parse tree, hence no recursion that a long query could exhaust."""
    return Lark(_GRAMMAR, parser="lalr", transformer=Builder())


def _pointing(text: str, fault: FaultError) -> SearchQueryInvalidError:
    return SearchQueryInvalidError(fault.fault, text, fault.position, fault.length, hint=fault.hint)


def _unexpected(text: str, unexpected: UnexpectedInput) -> SearchQueryInvalidError:
    if isinstance(unexpected, UnexpectedCharacters):
        return _bad_character(text, unexpected)
    # `accepts` asks the parser itself; `expected` would also name what only looks possible in a merged LALR state
    wanted, hint = _wanted(unexpected.accepts or set()) if isinstance(unexpected, UnexpectedToken) else _wanted(set())
    token = getattr(unexpected, "token", None)
    if token is None or token.type == "$END":
        fault = f"the query ends where {wanted} is expected"
        return SearchQueryInvalidError(fault, text, len(text.rstrip()), hint=hint)
    fault = f"'{token}' where {wanted} is expected"
    return SearchQueryInvalidError(fault, text, token.start_pos or 0, len(token), hint=hint)


def _bad_character(text: str, unexpected: UnexpectedCharacters) -> SearchQueryInvalidError:
    position = unexpected.pos_in_stream or 0
    character = text[position]
    if character in "\"'":
        fault = "a quotation mark that is never closed"
        return SearchQueryInvalidError(fault, text, position, hint=f"Close the text with {character}")
    wanted, hint = _wanted(set(unexpected.allowed or ()))
    return SearchQueryInvalidError(f"'{character}' where {wanted} is expected", text, position, hint=hint)


_WANTED = (
    ("OPERATOR", "an operator", "Operators: = != > >= < <= ~ (contains) in (...)."),
    ("NUMBER", "a value", 'Values are numbers (0.95, 95%, 10MB), true, false, or text in quotes ("digits").'),
    ("FIELD", "a field", f"Fields: {titles()}."),
    ("LPAR", "'('", 'Lists are written in parentheses: task in ("image-classification", "other").'),
    ("_BY", "'by'", "Sorting is written: order by metrics.accuracy desc."),
    ("_IN", "'in'", 'Exclusion is written: task not in ("other").'),
    ("DIRECTION", "'asc', 'desc', ',' or the end", "Sorting comes last: order by metrics.accuracy desc, name asc."),
    ("COMMA", "',' or ')'", "Lists are written in parentheses: (1, 2, 3)."),
    ("RPAR", "'and', 'or' or ')'", "Close the parenthesis."),
    ("_AND", "'and', 'or', 'order by' or the end", f"Join conditions with 'and' or 'or'. {_HELP}"),
)


def _wanted(expected: set[str]) -> tuple[str, str]:
    """What the grammar wants at this place, in words, and a hint: the first row whose token is among `expected`."""
    return next(((words, hint) for token, words, hint in _WANTED if token in expected), ("the end", _HELP))
