"""Datasets that grow by labelled rows."""

import io
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from modelyard.data.errors import DatasetInvalidError
from modelyard.data.extend import write_labelled
from modelyard.data.holdout import held_out_mask_table
from modelyard.data.images import read_images
from modelyard.data.tables import read_table
from modelyard.types.datasets import DatasetFormat
from modelyard.types.signatures import DataType, Signature, TensorSpec

IMAGES = Signature(inputs=(TensorSpec(name="images", datatype=DataType.FP32, shape=(-1, 2, 2)),), outputs=())
TABLE = Signature(
    inputs=(
        TensorSpec(name="numeric", datatype=DataType.FP32, shape=(-1, 2), columns=("size", "price")),
        TensorSpec(name="categorical", datatype=DataType.BYTES, shape=(-1, 1), columns=("city",)),
    ),
    outputs=(),
)
ROWS = {
    "numeric": np.array([[3, 0.1], [4, np.nan]], np.float32),
    "categorical": np.array([["Bern; old"], [""]], dtype=object),
}


def test_a_csv_keeps_its_bytes_columns_order_and_delimiter(tmp_path):
    base, output = tmp_path / "base.csv", tmp_path / "new.csv"
    base.write_text("city;extra;sold;size;price\nBasel;x;yes;1;0.25")
    labels = np.array(["no", "yes"], dtype=object)
    assert write_labelled(base, DatasetFormat.CSV, TABLE, ROWS, labels, "sold", output) == DatasetFormat.CSV
    assert output.read_text() == (
        'city;extra;sold;size;price\nBasel;x;yes;1;0.25\n"Bern; old";;"no";3;0.1\n;;"yes";4;\n'
    ).replace('"no"', "no").replace('"yes"', "yes")
    table = read_table(output, DatasetFormat.CSV)
    assert table.column("price").to_pylist() == [0.25, pytest.approx(0.1), None]
    assert table.column("sold").to_pylist() == [True, False, True]


@pytest.mark.parametrize("format_", [DatasetFormat.CSV, DatasetFormat.PARQUET])
def test_masked_columns_are_empty_in_the_new_rows(tmp_path, format_):
    write_labelled(None, format_, TABLE, ROWS, np.array([0, 1]), "sold", tmp_path / "new", {"size", "city", "other"})
    table = read_table(tmp_path / "new", format_)
    assert table.column("size").null_count == table.column("city").null_count == 2
    assert table.column("price").to_pylist() == [pytest.approx(0.1), None]


def test_a_parquet_file_keeps_its_types_and_widens_where_it_must(tmp_path):
    base, output = tmp_path / "base", tmp_path / "new"
    table = pa.table(
        {"size": [1], "price": pa.array([2], pa.int32()), "city": ["Basel"], "sold": [True], "other": [1.0]}
    )
    pq.write_table(table, base)
    write_labelled(base, DatasetFormat.PARQUET, TABLE, ROWS, np.array([0, 1]), "sold", output)
    read = pq.read_table(output)
    assert read.to_pydict() == {
        "size": [1, 3, 4],
        "price": [2.0, pytest.approx(0.1), None],
        "city": ["Basel", "Bern; old", None],
        "sold": [True, False, True],
        "other": [1.0, None, None],
    }
    assert [str(field.type) for field in read.schema] == ["int64", "double", "string", "bool", "double"]


@pytest.mark.parametrize("format_", [DatasetFormat.CSV, DatasetFormat.PARQUET])
def test_without_a_base_the_signature_gives_the_columns(tmp_path, format_):
    write_labelled(None, format_, TABLE, ROWS, np.array([0, 1]), "y", tmp_path / "new")
    assert read_table(tmp_path / "new", format_).column_names == ["size", "price", "city", "y"]


@pytest.mark.parametrize("format_", [DatasetFormat.CSV, DatasetFormat.PARQUET])
def test_a_captured_row_falls_on_the_side_of_its_original(tmp_path, format_):
    values = np.random.default_rng(1).normal(size=(200, 2))
    cities = [f"c{i % 4}" for i in range(200)]
    base, output = tmp_path / "base", tmp_path / "new"
    captured = {"numeric": values.astype(np.float32), "categorical": np.array(cities, dtype=object)[:, None]}
    write_labelled(None, format_, TABLE, captured, np.arange(200) % 2, "y", base)
    write_labelled(base, format_, TABLE, captured, np.arange(200) % 2, "y", output)
    mask = held_out_mask_table(read_table(output, format_), without=["y"])
    np.testing.assert_array_equal(mask[:200], mask[200:])
    original = pa.table({"size": values[:, 0], "price": values[:, 1], "city": cities})
    np.testing.assert_array_equal(mask[:200], held_out_mask_table(original))


def test_images_join_as_npz_in_the_datasets_own_pixel_type(tmp_path):
    base, output = tmp_path / "base", tmp_path / "new"
    with base.open("wb") as file:
        np.savez(file, images=np.full((2, 2, 2), 7, np.uint8), labels=np.array([0, 1]))
    whole = {"images": np.full((1, 2, 2), 9, np.float32)}
    assert write_labelled(base, DatasetFormat.NPZ, IMAGES, whole, np.array(["1"], dtype=object), None, output) == "npz"
    with np.load(output) as arrays:
        assert (arrays["images"].dtype, arrays["labels"].tolist()) == (np.uint8, [0, 1, 1])
    first = output.read_bytes()
    write_labelled(base, DatasetFormat.NPZ, IMAGES, whole, np.array(["1"], dtype=object), None, output)
    assert output.read_bytes() == first
    worn = {"images": np.full((1, 2, 2), 9.5, np.float32)}
    write_labelled(base, DatasetFormat.NPZ, IMAGES, worn, np.array(["new"], dtype=object), None, output)
    images, labels = read_images(output, DatasetFormat.NPZ)
    assert images[:, 0, 0].tolist() == [7, 7, 9.5]
    assert labels.tolist() == ["0", "1", "new"]
    with pytest.raises(DatasetInvalidError, match="shape"):
        write_labelled(base, DatasetFormat.NPZ, IMAGES, {"images": np.ones((1, 3, 3))}, np.array([1]), None, output)


def test_an_image_folder_becomes_npz(tmp_path):
    content = io.BytesIO()
    Image.fromarray(np.full((2, 2), 5, np.uint8)).save(content, "png")
    with zipfile.ZipFile(tmp_path / "z", "w") as archive:
        archive.writestr("a/1.png", content.getvalue())
    new = {"images": np.zeros((1, 2, 2), np.float32)}
    written = write_labelled(
        tmp_path / "z", DatasetFormat.IMAGE_FOLDER, IMAGES, new, np.array(["b"], dtype=object), None, tmp_path / "n"
    )
    assert written is DatasetFormat.NPZ
    assert read_images(tmp_path / "n", written)[1].tolist() == ["a", "b"]
