"""What a column holds, gathered batch by batch in bounded memory, and how to deliver it."""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelyard.data.errors import DatasetInvalidError
from modelyard.data.readers.numbers import (
    Storage,
    are_booleans,
    are_integers,
    finite,
    has_codes,
    parse_booleans,
    parse_numbers,
    parse_timestamps,
)
from modelyard.types.datasets import Column, ColumnKind

if TYPE_CHECKING:
    import pyarrow as pa

DISTINCT_LIMIT = 1_000
_NUMBER_SHARE = 0.9
_FEW = 50  # so few distinct values are classes, even when most of them look like numbers
_TEXT_CHARACTERS = 64
_ALL_MISSING = "every value is missing"
_DECIMAL_COMMA = re.compile(r"[+-]?\d+(,\d+)?")
_CONSTANT = "the same value in every row"


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnPlan:
    """A column's description and the type in which `read_table` delivers it."""

    column: Column
    storage: Storage


class ColumnProfile(ABC):
    """Gathers the batches of one column. Holds at most `DISTINCT_LIMIT` values."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._rows = 0
        self._missing = 0
        self._distinct: pa.Array | None = None
        self._has_overflowed = False
        self._minimum: float | None = None
        self._maximum: float | None = None

    @abstractmethod
    def add(self, values: "pa.Array") -> None:
        """Take in one batch."""

    @abstractmethod
    def plan(self) -> ColumnPlan:
        """The verdict over all batches."""

    def _count(self, values: "pa.Array") -> "pa.Array":
        """Count rows, missing and distinct values; the values that are there."""
        import pyarrow as pa  # noqa: PLC0415 - 100 ms of import that the control process need not pay at its start
        import pyarrow.compute as pc  # noqa: PLC0415

        self._rows += len(values)
        self._missing += values.null_count
        present = values.drop_null() if values.null_count else values
        if not self._has_overflowed:
            known = pc.unique(present)
            if self._distinct is not None:
                known = pc.unique(pa.concat_arrays([self._distinct, known]))
            self._has_overflowed = len(known) > DISTINCT_LIMIT
            self._distinct = known[:DISTINCT_LIMIT]
        return present

    def _measure(self, numbers: "pa.Array") -> None:
        """The range."""
        import pyarrow.compute as pc  # noqa: PLC0415 - see _count

        low, high = (pc.min_max(numbers)[end].as_py() for end in ("min", "max"))
        if low is None:
            return
        self._minimum = float(low if self._minimum is None else min(self._minimum, low))
        self._maximum = float(high if self._maximum is None else max(self._maximum, high))

    @property
    def _present(self) -> int:
        return self._rows - self._missing

    def _described(self, kind: ColumnKind, storage: Storage, note: str = "", *, more_missing: int = 0) -> ColumnPlan:
        is_number = kind is ColumnKind.NUMBER
        distinct = 0 if self._distinct is None else len(self._distinct)
        if not note and distinct == 1 and not self._missing and self._rows > 1:
            note = _CONSTANT
        examples = [] if self._distinct is None else self._distinct[:3].to_pylist()
        return ColumnPlan(
            column=Column(
                name=self.name,
                kind=kind,
                missing=self._missing + more_missing,
                distinct=None if self._has_overflowed else distinct,
                minimum=self._minimum if is_number else None,
                maximum=self._maximum if is_number else None,
                examples=tuple(str(example)[:40] for example in examples),
                note=note if self._present else _ALL_MISSING,
            ),
            storage=storage,
        )


class TextProfile(ColumnProfile):
    """A column of texts: all columns of a CSV file; `is_typed` says that the file had other types to choose from."""

    def __init__(self, name: str, *, is_typed: bool = False) -> None:
        super().__init__(name)
        self._is_typed = is_typed
        self._numbers = 0
        self._are_integers = True
        self._first_other = ""
        self._has_codes = False
        self._characters = 0
        self._dates = {Storage.TIMESTAMP, Storage.TIMESTAMP_UTC}

    def add(self, values: "pa.Array") -> None:
        """Take in one batch of a string column."""
        import pyarrow.compute as pc  # noqa: PLC0415 - see ColumnProfile._count

        present = self._count(values)
        if not len(present):
            return
        self._characters += pc.sum(pc.utf8_length(present)).as_py()
        numbers = parse_numbers(present)
        self._numbers += len(numbers) - numbers.null_count
        if numbers.null_count and not self._first_other:
            self._first_other = present.filter(pc.is_null(numbers))[0].as_py()
        self._has_codes = self._has_codes or has_codes(present)
        self._measure(numbers)
        self._are_integers = self._are_integers and are_integers(numbers)
        if self._numbers:  # no dates then, and each failing attempt to read some costs a millisecond
            self._dates.clear()
        self._dates = {storage for storage in self._dates if parse_timestamps(present, storage) is not None}

    def plan(self) -> ColumnPlan:
        """Number, boolean, date, category or text."""
        words = [] if self._distinct is None else self._distinct.to_pylist()
        if not self._has_codes and self._are_numbers():
            return self._numeric()
        if not self._has_overflowed and are_booleans(words):
            return self._described(ColumnKind.BOOLEAN, Storage.BOOL)
        if self._dates and not self._numbers:
            return self._described(ColumnKind.DATETIME, min(self._dates))
        is_text = (
            self._has_overflowed
            or self._characters > _TEXT_CHARACTERS * self._present
            or len(words) > max(20, self._present // 2)
        )
        kind = ColumnKind.TEXT if is_text else ColumnKind.CATEGORY
        return self._described(kind, Storage.STRING, self._text_note(words))

    def _text_note(self, words: list[str]) -> str:
        if self._has_codes:
            return "digits with leading zeros: kept as text"
        if words and all(_DECIMAL_COMMA.fullmatch(word) for word in words):
            return f"numbers with a decimal comma: kept as text; write {words[0].replace(',', '.')} for {words[0]}"
        return ""

    def _are_numbers(self) -> bool:
        if self._numbers == self._present:
            return True
        is_few = self._distinct is not None and not self._has_overflowed and len(self._distinct) <= _FEW
        return self._numbers >= _NUMBER_SHARE * self._present and not is_few

    def _numeric(self) -> ColumnPlan:
        others = self._present - self._numbers
        note = "numbers stored as text" if self._is_typed else ""
        if others:
            share = int(100 * self._numbers / self._present)
            plural = "values are" if others > 1 else "value is"
            note = (
                f"{share} % of the values are numbers stored as text; {others} {plural} not "
                f"(the first: '{self._first_other[:40]}') and count as missing"
            )
        storage = Storage.INT64 if self._are_integers and self._numbers else Storage.FLOAT64
        return self._described(ColumnKind.NUMBER, storage, note, more_missing=others)


class TypedProfile(ColumnProfile):
    """A column whose file gives it a type: numbers, booleans, dates and times."""

    def __init__(self, name: str, storage: Storage) -> None:
        super().__init__(name)
        self._storage = storage

    def add(self, values: "pa.Array") -> None:
        """Take in one batch, already of this column's storage type."""
        present = self._count(values)
        if self._storage in (Storage.INT64, Storage.FLOAT64):
            self._measure(present)

    def plan(self) -> ColumnPlan:
        """The kind that the type says."""
        if self._storage is Storage.BOOL:
            return self._described(ColumnKind.BOOLEAN, self._storage)
        if self._storage in (Storage.TIMESTAMP, Storage.TIMESTAMP_UTC):
            return self._described(ColumnKind.DATETIME, self._storage)
        return self._described(ColumnKind.NUMBER, self._storage)


def convert(values: "pa.Array", storage: Storage) -> "pa.Array":
    """A batch of a column in the type that its plan chose; what does not fit is null."""
    import pyarrow as pa  # noqa: PLC0415 - see ColumnProfile._count

    if not pa.types.is_string(values.type):
        return values if values.type == storage.arrow() else values.cast(storage.arrow())
    if storage in (Storage.INT64, Storage.FLOAT64):
        return parse_numbers(values).cast(storage.arrow())
    if storage is Storage.BOOL:
        return parse_booleans(values)
    if storage in (Storage.TIMESTAMP, Storage.TIMESTAMP_UTC):
        return parse_timestamps(values, storage)
    return values


def storage_of(name: str, type_: "pa.DataType") -> Storage:
    """In which type a typed file's column is delivered.

    Raises:
        DatasetInvalidError: a type that no row of a table has (lists, structures, bytes).
    """
    import pyarrow as pa  # noqa: PLC0415 - see ColumnProfile._count

    types = pa.types
    if types.is_dictionary(type_):
        return storage_of(name, type_.value_type)
    if types.is_boolean(type_):
        return Storage.BOOL
    if types.is_integer(type_):
        return Storage.FLOAT64 if type_ == pa.uint64() else Storage.INT64
    if types.is_floating(type_) or types.is_decimal(type_) or types.is_null(type_):
        return Storage.FLOAT64
    if types.is_date(type_) or types.is_timestamp(type_):
        return Storage.TIMESTAMP_UTC if getattr(type_, "tz", None) else Storage.TIMESTAMP
    if types.is_string(type_) or types.is_large_string(type_) or types.is_string_view(type_):
        return Storage.STRING
    raise DatasetInvalidError(
        f"column '{name[:80]}' has the type {str(type_)[:80]}, which no model can take",
        hint="Store one number, text, boolean or date per cell; leave the column out otherwise.",
    )


def normalised(values: "pa.Array", storage: Storage) -> "pa.Array":
    """A batch of a typed file in its storage type; NaN and infinity are missing."""
    array = values.cast(storage.arrow(), safe=False)
    return finite(array) if storage is Storage.FLOAT64 else array
