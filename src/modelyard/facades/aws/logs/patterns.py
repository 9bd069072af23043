"""Which messages a filter pattern of CloudWatch Logs chooses. Pure.

Source: Amazon CloudWatch Logs User Guide, "Filter pattern syntax", unstructured log events.
"""

import re
from collections.abc import Callable

from modelyard.facades.aws.wire.errors import AwsError

Chooses = Callable[[str], bool]

_TERM = re.compile(r'\s*(?P<sign>[-?]?)(?:"(?P<phrase>(?:[^"\\]|\\.)*)"|%(?P<regex>[^%]+)%|(?P<word>[^\s"%]+))')
_STRUCTURED = ("{", "[")


def chooser(pattern: str) -> Chooses:
    """Says of a message whether it is chosen: it has every term, none of those after `-`, and one of those after `?`.

    Raises:
        AwsError: the pattern is not of this form, or is one for JSON or columns.
    """
    if pattern.strip().startswith(_STRUCTURED):
        raise _invalid("Patterns for JSON ({ ... }) and for columns ([ ... ]) are not carried out here; use terms.")
    signed: dict[str, list[Chooses]] = {"": [], "-": [], "?": []}
    position, pattern = 0, pattern.rstrip()
    while position < len(pattern):
        found = _TERM.match(pattern, position)
        if found is None:
            raise _invalid(f"The filter pattern cannot be read from '{pattern[position:][:50]}' on.")
        signed[found["sign"]].append(_term(found))
        position = found.end()
    wanted, unwanted, either = signed[""], signed["-"], signed["?"]
    if wanted:
        either = []  # as in CloudWatch, optional terms choose nothing beside required ones

    def chooses(message: str) -> bool:
        return (
            all(has(message) for has in wanted)
            and not any(has(message) for has in unwanted)
            and (not either or any(has(message) for has in either))
        )

    return chooses


def _term(found: re.Match[str]) -> Chooses:
    if found["regex"] is not None:
        try:
            return _searches(found["regex"])
        except ValueError as error:
            raise _invalid(f"%{found['regex'][:50]}% is no regular expression: {error}.") from None
    text = found["word"] if found["word"] is not None else re.sub(r"\\(.)", r"\1", found["phrase"])
    return lambda message: text in message


def _searches(regex: str) -> Chooses:
    """By RE2 (through Arrow), whose time is in proportion to the text: no pattern holds up the control plane.

    Raises:
        ValueError: it is none.
    """
    import pyarrow as pa  # noqa: PLC0415 - only for such patterns
    import pyarrow.compute as pc  # noqa: PLC0415

    function, options = pc.get_function("match_substring_regex"), pc.MatchSubstringOptions(regex)

    def searches(message: str) -> bool:
        return bool(function.call([pa.scalar(message, pa.string())], options).as_py())

    searches("")
    return searches


def _invalid(words: str) -> AwsError:
    return AwsError("InvalidParameterException", f"Invalid filter pattern. {words}")
