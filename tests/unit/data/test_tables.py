"""Tables as people make them."""

import csv
import datetime as dt

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.data.errors import CsvInvalidError, DatasetEmptyError, DatasetInvalidError, DatasetTooLargeError
from modelyard.data.schema import infer_schema
from modelyard.data.tables import read_table
from modelyard.types.datasets import ColumnKind, DatasetFormat


@pytest.fixture
def write(tmp_path):
    def make(text: str | bytes):
        path = tmp_path / "t.csv"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return make


def columns(path, format_=DatasetFormat.CSV):
    return {column.name: column for column in infer_schema(path, format_).columns}


def test_kinds_missing_values_and_ranges_are_inferred(write):
    path = write(
        "age,city,member,joined,zip,note,height\n"
        "31,Bern,yes,2024-01-02,03000,hello,1.5\n"
        " 45 , Basel ,no,2024-02-03,04051,?,NA\n"
        ",Bern,YES,2024-03-04,03011,world,1e3\n"
    )
    found = columns(path)
    assert {name: column.kind for name, column in found.items()} == {
        "age": ColumnKind.NUMBER,
        "city": ColumnKind.CATEGORY,
        "member": ColumnKind.BOOLEAN,
        "joined": ColumnKind.DATETIME,
        "zip": ColumnKind.CATEGORY,
        "note": ColumnKind.CATEGORY,
        "height": ColumnKind.NUMBER,
    }
    assert (found["age"].missing, found["age"].minimum, found["age"].maximum) == (1, 31, 45)
    assert (found["height"].missing, found["height"].maximum) == (1, 1000)
    assert found["city"].distinct == 2
    assert found["note"].missing == 1
    assert "leading zeros" in found["zip"].note
    assert infer_schema(path, DatasetFormat.CSV).rows == 3
    table = read_table(path, DatasetFormat.CSV)
    assert table.column("age").to_pylist() == [31, 45, None]
    assert table.schema.field("age").type == pa.int64()
    assert table.column("city").to_pylist() == ["Bern", "Basel", "Bern"]
    assert table.column("member").to_pylist() == [True, False, True]
    assert table.column("zip").to_pylist() == ["03000", "04051", "03011"]
    assert table.column("joined").to_pylist()[0] == dt.datetime(2024, 1, 2)  # noqa: DTZ001 - the file has no zone


def test_text_typed_numbers_are_numbers_with_a_note(write):
    rows = [f"{i}.5" for i in range(97)] + ["error", "n/k", '"1,234.5"']
    found = columns(write("x\n" + "\n".join(rows)))["x"]
    assert found.kind is ColumnKind.NUMBER
    assert found.missing == 2
    assert found.note == (
        "98 % of the values are numbers stored as text; 2 values are not (the first: 'error') and count as missing"
    )
    assert read_table(write("x\n" + "\n".join(rows)), DatasetFormat.CSV).column("x").to_pylist()[96:] == [
        96.5,
        None,
        None,
        1234.5,
    ]


def test_numbers_with_a_decimal_comma_are_text_and_it_is_said_how_to_write_them(write):
    found = columns(write("size;price\n20,5;1\n40;2\n"))
    assert (found["size"].kind, found["price"].kind) == (ColumnKind.CATEGORY, ColumnKind.NUMBER)
    assert found["size"].note == "numbers with a decimal comma: kept as text; write 20.5 for 20,5"


def test_few_classes_stay_classes_even_when_most_look_like_numbers(write):
    labels = [str(i % 10) for i in range(95)] + ["other"] * 5
    found = columns(write("label\n" + "\n".join(labels)))["label"]
    assert (found.kind, found.distinct, found.missing) == (ColumnKind.CATEGORY, 11, 0)


def test_constant_and_all_missing_columns_are_noted(write):
    found = columns(write("a,b\n1,\n1,\n"))
    assert found["a"].note == "the same value in every row"
    assert found["b"].note == "every value is missing"


def test_long_or_mostly_different_texts_are_text(write):
    rows = "\n".join(f"id-{i},{'word ' * 30}" for i in range(60))
    found = columns(write(f"id,prose\n{rows}\n"))
    assert {found["id"].kind, found["prose"].kind} == {ColumnKind.TEXT}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_delimiters_line_ends_quotes_and_a_bom_are_understood(write, delimiter, newline):
    lines = [["a", "b"], ["1", f'"x{delimiter}""y"""'], ["2", '"two\nlines"']]
    text = "\ufeff" + newline.join(delimiter.join(line) for line in lines)
    table = read_table(write(text), DatasetFormat.CSV)
    assert table.to_pydict() == {"a": [1, 2], "b": [f'x{delimiter}"y"', "two\nlines"]}


def test_headers_are_told_from_data(write):
    assert read_table(write("1.5,2\n3,4\n"), DatasetFormat.CSV).to_pydict() == {
        "column_1": [1.5, 3],
        "column_2": [2, 4],
    }
    assert read_table(write("0,1,2\n7,8,9\n"), DatasetFormat.CSV).column_names == ["0", "1", "2"]
    assert read_table(write(",a\n7,8\n"), DatasetFormat.CSV).column_names == ["column_1", "a"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n3,4,5\n", "line 3: Expected 2 columns, got 3"),
        ("a,b\n1,2\n3\n", "line 3: Expected 2 columns, got 1"),
        (b"a,b\n1,2\n1,\xe4\n", "line 3 is not UTF-8 (byte 0xe4)"),
        ("a,b,a\n1,2,3\n", "column name 'a' stands twice"),
        ('a,b\n1,"2\n3,4\n5,6\n', "line 2: a quote opens and never closes"),
    ],
)
def test_trouble_in_a_csv_names_its_line(write, text, said):
    with pytest.raises(CsvInvalidError) as caught:
        read_table(write(text), DatasetFormat.CSV)
    assert said in caught.value.message
    assert caught.value.hint


def test_bytes_that_are_not_utf8_are_found_far_behind_the_sample(write):
    with pytest.raises(CsvInvalidError, match="line 300001 is not UTF-8"):
        infer_schema(write(b"a,b\n" + b"1,xy\n" * 299_999 + b"1,\xff\n"), DatasetFormat.CSV)


@pytest.mark.parametrize("text", ["a,b", "a,b\n", "\n\n", "a\n\n\n"])
def test_a_table_without_rows_is_refused(write, text):
    with pytest.raises(DatasetEmptyError):
        infer_schema(write(text), DatasetFormat.CSV)


def test_one_row_is_enough_and_20001_columns_are_too_many(write):
    assert read_table(write("a,b\n1,x"), DatasetFormat.CSV).num_rows == 1
    with pytest.raises(DatasetTooLargeError, match="20,001"):
        read_table(write(",".join(f"c{i}" for i in range(20_001)) + "\n"), DatasetFormat.CSV)


def test_5000_columns_work_in_both_formats(write, tmp_path):
    names = [f"c{i}" for i in range(5_000)]
    row = ",".join(str(i / 7) for i in range(5_000))
    table = read_table(write(",".join(names) + "\n" + f"{row}\n" * 300), DatasetFormat.CSV)
    assert (table.num_rows, table.num_columns) == (300, 5_000)
    pq.write_table(table, tmp_path / "t.parquet")
    schema = infer_schema(tmp_path / "t.parquet", DatasetFormat.PARQUET)
    assert (schema.rows, len(schema.columns)) == (300, 5_000)


def test_parquet_types_become_the_same_few_types(tmp_path):
    path = tmp_path / "t.parquet"
    table = pa.table(
        {
            "small": pa.array([1, None, 3], pa.int8()),
            "half": pa.array([1.5, float("nan"), float("inf")], pa.float32()),
            "kind": pa.array(["a", "b", "a"]).dictionary_encode(),
            "text": pa.array(["1", "2", "30"], pa.large_string()),
            "day": pa.array([dt.date(2024, 1, 1)] * 3),
            "yes": pa.array([True, None, False]),
            "money": pa.array([1, 2, 3], pa.decimal128(10, 2)),
        }
    )
    pq.write_table(table, path)
    read = read_table(path, DatasetFormat.PARQUET)
    assert [str(field.type) for field in read.schema] == [
        "int64", "double", "string", "int64", "timestamp[us]", "bool", "double",
    ]  # fmt: skip
    assert read.column("half").to_pylist() == [1.5, None, None]
    found = columns(path, DatasetFormat.PARQUET)
    assert found["text"].note == "numbers stored as text"
    assert found["half"].missing == 2
    assert found["yes"].kind is ColumnKind.BOOLEAN


def test_whole_numbers_beyond_float64_stay_exact_in_parquet(tmp_path):
    path = tmp_path / "t.parquet"
    large = [2**60 + 1, -(2**62) - 1, None]
    pq.write_table(
        pa.table({"id": pa.array(large, pa.int64()), "u": pa.array([2**64 - 1, 1, None], pa.uint64())}), path
    )
    assert columns(path, DatasetFormat.PARQUET)["id"].kind is ColumnKind.NUMBER
    assert read_table(path, DatasetFormat.PARQUET).column("id").to_pylist() == large
    assert read_table(path, DatasetFormat.PARQUET).column("u").to_pylist() == [float(2**64), 1.0, None]


def test_nested_parquet_columns_and_doubled_names_are_refused(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": [[1, 2]]}), path)
    with pytest.raises(DatasetInvalidError, match="column 'a' has the type list"):
        read_table(path, DatasetFormat.PARQUET)
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), path)
    with pytest.raises(DatasetInvalidError, match="twice"):
        read_table(path, DatasetFormat.PARQUET)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.lists(st.one_of(st.text("abc ,;\"'\n0.", max_size=6), st.just("7")), min_size=3, max_size=3),
        min_size=1,
        max_size=20,
    )
)
def test_every_file_that_pythons_csv_module_writes_is_read_with_all_its_rows(tmp_path, rows):
    path = tmp_path / "w.csv"
    with path.open("w", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([["first", "second", "third"], *rows])
    assert infer_schema(path, DatasetFormat.CSV).rows == len(rows)
