"""Numbers, dates and truth values in text columns: recognised and converted, whole arrays at a time."""

from enum import StrEnum
from typing import TYPE_CHECKING

from modelyard.kit.cells import FALSE_WORDS, GROUPED_NUMBER, PLAIN_NUMBER, TRUE_WORDS

if TYPE_CHECKING:
    import pyarrow as pa

_CODE = r"^0\d+$"


class Storage(StrEnum):
    """Arrow types that `read_table` delivers. A TIMESTAMP_UTC column had time zones in it."""

    INT64 = "int64"
    FLOAT64 = "float64"
    BOOL = "bool"
    STRING = "string"
    TIMESTAMP = "timestamp"
    TIMESTAMP_UTC = "timestamp-utc"

    def arrow(self) -> "pa.DataType":
        """The Arrow type."""
        import pyarrow as pa  # noqa: PLC0415 - 100 ms of import that the control process need not pay at its start

        if self is Storage.TIMESTAMP:
            return pa.timestamp("us")
        if self is Storage.TIMESTAMP_UTC:
            return pa.timestamp("us", tz="UTC")
        return {"int64": pa.int64(), "float64": pa.float64(), "bool": pa.bool_(), "string": pa.string()}[self.value]


def finite(numbers: "pa.Array") -> "pa.Array":
    """float64 with NaN and infinity as null."""
    import pyarrow.compute as pc  # noqa: PLC0415 - see Storage.arrow

    return numbers if pc.all(pc.is_finite(numbers)).as_py() else pc.if_else(pc.is_finite(numbers), numbers, None)


def parse_numbers(texts: "pa.StringArray") -> "pa.Array":
    """float64, null where the text is not a finite number. "1,234.5" is one, "1,5" and "0x10" are not."""
    import pyarrow as pa  # noqa: PLC0415 - see Storage.arrow
    import pyarrow.compute as pc  # noqa: PLC0415

    try:
        return finite(texts.cast(pa.float64()))  # ten times faster than the expressions below
    except pa.ArrowInvalid:
        is_grouped = pc.match_substring_regex(texts, f"^{GROUPED_NUMBER}$")
        is_number = pc.or_(is_grouped, pc.match_substring_regex(texts, f"^{PLAIN_NUMBER}$"))
        plain = pc.if_else(is_grouped, pc.replace_substring(texts, ",", ""), texts)
        return finite(pc.if_else(is_number, plain, None).cast(pa.float64()))


def are_integers(numbers: "pa.Array") -> bool:
    """True if all float64 values are whole, and small enough to be exact in float64 and int64."""
    import pyarrow.compute as pc  # noqa: PLC0415 - see Storage.arrow

    is_exact = pc.and_(pc.equal(pc.floor(numbers), numbers), pc.less(pc.abs(numbers), 2.0**53))
    return pc.all(is_exact).as_py() is not False


def has_codes(texts: "pa.StringArray") -> bool:
    """True if some value is digits with leading zeros ("00501"): a code, which a number would damage."""
    import pyarrow.compute as pc  # noqa: PLC0415 - see Storage.arrow

    suspects = texts.filter(pc.starts_with(texts, "0"))
    return bool(len(suspects) and pc.any(pc.match_substring_regex(suspects, _CODE)).as_py())


def parse_timestamps(texts: "pa.StringArray", storage: Storage) -> "pa.Array | None":
    """ISO 8601 dates and times; None if any value is none."""
    import pyarrow as pa  # noqa: PLC0415 - see Storage.arrow

    try:
        return texts.cast(storage.arrow())
    except pa.ArrowInvalid:
        return None


def parse_booleans(texts: "pa.StringArray") -> "pa.BooleanArray":
    """True for yes-words and "1", false for the others, null for null."""
    import pyarrow as pa  # noqa: PLC0415 - see Storage.arrow
    import pyarrow.compute as pc  # noqa: PLC0415

    return pc.if_else(
        pc.is_null(texts), None, pc.is_in(pc.utf8_lower(texts), pa.array([*sorted(TRUE_WORDS), "1"], pa.string()))
    )


def are_booleans(words: list[str]) -> bool:
    """True if the distinct values say true and false, with at least one word among them (0/1 alone are numbers)."""
    known = {word.lower() for word in words}
    has_word = bool(known & (TRUE_WORDS | FALSE_WORDS))
    return has_word and known <= TRUE_WORDS | FALSE_WORDS | {"0", "1"}
