"""A CSV file that a dataset reads can be sent to the model that it trained, and means the same there."""

from pathlib import Path

import numpy as np
import pytest

from modelyard.data.formats import sniff_format
from modelyard.data.tables import read_table
from modelyard.sdk.inputs import DataInvalidError, EndpointDescription, TensorDescription, to_inputs

LOANS = EndpointDescription(
    name="loans",
    inputs=(
        TensorDescription("numeric", "FP32", (-1, 2), {"columns": ["income", "member"]}),
        TensorDescription("categorical", "BYTES", (-1, 1), {"columns": ["town"]}),
    ),
    outputs=(),
)
LINES = ('"1,234.5"; yes ; Delft ;x', "70000;No;NA;x", "?;;Den Haag;x")


def sent(text):
    return {tensor.name: tensor.data for tensor in to_inputs(LOANS, text)}


@pytest.mark.parametrize("delimiter", [";", "|", "\t"])
def test_cells_are_trimmed_missing_and_numbers_as_in_datasets(delimiter: str):
    text = "\ufeffincome; member ;town;rest\n" + "\n\n".join(LINES)
    assert sent(text.replace(";", delimiter)) == {
        "numeric": [1234.5, 1.0, 70000.0, 0.0, None, None],
        "categorical": ["Delft", "", "Den Haag"],
    }


def test_the_dataset_reader_agrees(tmp_path: Path):
    path = tmp_path / "loans.csv"
    path.write_text("income; member ;town;rest\n" + "\n".join(LINES) + "\n")
    table = read_table(path, sniff_format(path, path.name))
    pairs = zip(table["income"].to_pylist(), table["member"].to_pylist(), strict=True)
    assert sent(path.read_text())["numeric"] == [value for pair in pairs for value in pair]
    assert sent(path.read_text())["categorical"] == [town or "" for town in table["town"].to_pylist()]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("income,member,town\n", "the CSV holds no rows"),
        ("", "the CSV holds no rows"),
        ("income,member,town\n1,yes\n", "row 0 of the CSV has 2 cells, its header has 3"),
        ("income,member,town\nmuch,yes,Delft\n", "row 0, column 'income': 'much' is no number"),
        ([{"incme": 1, "member": 1, "town": "Delft"}], "row 0 has no column 'income'"),
        (
            {"income": [1, 2], "member": [1, 0], "town": ["Delft"]},
            "the columns are not equally long: 'income' 2, 'member' 2, 'town' 1",
        ),
        (
            {"income": [1, 2], "member": [1, 0], "town": "Delft"},
            "the columns are not equally long: 'income' 2, 'member' 2, 'town' one value",
        ),
    ],
)
def test_what_cannot_be_sent_is_named(data, words: str):
    with pytest.raises(DataInvalidError) as caught:
        to_inputs(LOANS, data)
    assert caught.value.message == words
    assert caught.value.hint


def test_columns_of_values_are_the_rows_that_they_make():
    rows = [{"income": 1, "member": True, "town": "Delft"}, {"income": None, "member": False, "town": "Gouda"}]
    columns = {"income": [1, None], "member": np.array([True, False]), "town": ("Delft", "Gouda")}
    assert to_inputs(LOANS, columns) == to_inputs(LOANS, rows)


def test_a_missing_column_s_hint_has_the_close_one_and_those_of_all_inputs():
    with pytest.raises(DataInvalidError) as caught:
        to_inputs(LOANS, {"incme": 1, "member": 1, "town": "Delft"})
    assert caught.value.hint.startswith("'incme' is close. The endpoint takes income, member, town.")
