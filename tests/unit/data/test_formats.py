"""What a file is, and that a hostile one is refused."""

import io
import pickle
import stat
import struct
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from modelyard.data.errors import (
    ArchiveUnsafeError,
    DatasetEmptyError,
    DatasetFormatUnknownError,
    DatasetInvalidError,
    DatasetTooLargeError,
)
from modelyard.data.formats import sniff_format
from modelyard.data.images import read_images
from modelyard.data.readers.archives import ArchiveLimits, open_archive
from modelyard.data.schema import infer_schema
from modelyard.data.tables import read_table
from modelyard.errors import InvalidInputError
from modelyard.types.datasets import DatasetFormat

PNG = io.BytesIO()
Image.fromarray(np.zeros((4, 4), np.uint8)).save(PNG, "png")


def zipped(path: Path, entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def sample(kind: str, path: Path) -> Path:
    if kind == "csv":
        path.write_text("a,b\n1,x\n2,y\n")
    elif kind == "parquet":
        pq.write_table(pa.table({"a": [1, 2], "b": ["x", None]}), path)
    elif kind == "npz":
        with path.open("wb") as file:
            np.savez_compressed(file, images=np.ones((3, 4, 4), np.uint8), labels=np.array([0, 1, 1]))
    else:
        zipped(
            path, {"cats/1.png": PNG.getvalue(), "dogs/1.png": PNG.getvalue(), "__MACOSX/x": b"", "cats/.DS_Store": b""}
        )
    return path


@pytest.mark.parametrize("kind", [one.value for one in DatasetFormat])
def test_the_format_is_told_by_content_whatever_the_name_says(tmp_path, kind):
    assert sniff_format(sample(kind, tmp_path / "f"), "wrong.xlsx") == kind


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (pickle.dumps([1]), "a pickle"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\x93NUMPY\x01\x00", "np.savez"),
        (b'{"a": 1}', "JSON"),
        (b"<html>", "HTML"),
        ("a,b\n1,2\n".encode("utf-16"), "UTF-16"),
        (b"abc\0\0def", "binary"),
        (PNG.getvalue(), "one folder per class"),
    ],
)
def test_other_files_are_named_and_the_way_out_is_told(tmp_path, content, said):
    path = tmp_path / "f"
    path.write_bytes(content)
    with pytest.raises(DatasetFormatUnknownError) as caught:
        sniff_format(path, "data.csv")
    assert said in caught.value.message + caught.value.hint
    assert caught.value.hint


def test_an_empty_file_and_office_documents_are_refused(tmp_path):
    (tmp_path / "e").touch()
    with pytest.raises(DatasetEmptyError):
        sniff_format(tmp_path / "e", "e.csv")
    with pytest.raises(DatasetFormatUnknownError, match="office document"):
        sniff_format(zipped(tmp_path / "x", {"[Content_Types].xml": b"", "xl/media/a.png": b""}), "a.xlsx")
    with pytest.raises(DatasetFormatUnknownError, match="zip around tables"):
        sniff_format(zipped(tmp_path / "t", {"a.csv": b"a\n1\n"}), "a.zip")


@pytest.mark.parametrize("name", ["../evil.png", "/etc/evil.png", "a/../../evil.png", "C:/evil.png", "a\\..\\b.png"])
def test_names_that_leave_the_archive_are_refused(tmp_path, name):
    with pytest.raises(ArchiveUnsafeError):
        infer_schema(zipped(tmp_path / "z", {name: PNG.getvalue()}), DatasetFormat.IMAGE_FOLDER)


def test_links_and_doubled_names_are_refused(tmp_path):
    link = zipfile.ZipInfo("cats/1.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "link", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(ArchiveUnsafeError, match="link"):
        sniff_format(tmp_path / "link", "z.zip")
    with zipfile.ZipFile(tmp_path / "twice", "w") as archive:
        archive.writestr("a.png", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.png", b"2")
    with pytest.raises(ArchiveUnsafeError, match="twice"):
        sniff_format(tmp_path / "twice", "z.zip")


def test_zip_bombs_are_refused_before_anything_is_unpacked(tmp_path):
    bomb = zipped(tmp_path / "bomb", {"images.npy": b"\0" * (300 << 20), "labels.npy": b""})
    assert bomb.stat().st_size < 1 << 20
    with pytest.raises(ArchiveUnsafeError, match="zip bombs"):
        sniff_format(bomb, "b.npz")
    many = zipped(tmp_path / "many", {f"a/{i}.png": b"" for i in range(20)})
    for limits in (ArchiveLimits(entries=10), ArchiveLimits(directory_bytes=100)):
        with pytest.raises(DatasetTooLargeError), open_archive(many, limits):
            pass
    with pytest.raises(DatasetTooLargeError), open_archive(bomb, ArchiveLimits(total_bytes=1 << 20)):
        pass


def test_an_entry_that_unpacks_to_more_than_it_says_is_cut_off(tmp_path):
    path = zipped(tmp_path / "z", {"a.bin": b"\0" * 100_000})
    content = bytearray(path.read_bytes())
    directory = content.rfind(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = struct.pack("<I", 10)
    path.write_bytes(content)
    with pytest.raises(DatasetInvalidError), open_archive(path) as archive:
        assert len(archive.read("a.bin")) <= 10


def read_everything(path: Path) -> None:
    """The whole way of an uploaded file; only a refusal that says what to do is fine, every other error is not."""
    error = None
    try:
        format_ = sniff_format(path, "f")
        infer_schema(path, format_)
        (read_table if format_ in (DatasetFormat.CSV, DatasetFormat.PARQUET) else read_images)(path, format_)
    except InvalidInputError as caught:
        error = caught
    assert error is None or (error.message and error.hint)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.one_of(st.binary(max_size=400), st.text(max_size=300).map(str.encode)))
@example(content=b"a,b\n1,2\n3")
@example(content=b'a,b\n1,"2\n3,4\n')
@example(content=b"\xef\xbb\xbf\n\n")
@example(content=b'"')
@example(content=b"0\r\r")
@example(content=b"PAR1PAR1")
@example(content=b"PK\x03\x04" + b"\0" * 40)
def test_junk_gives_a_dataset_or_a_clear_error(tmp_path, content):
    path = tmp_path / "junk"
    path.write_bytes(content)
    read_everything(path)


@pytest.mark.parametrize("kind", ["csv", "parquet", "npz", "image-folder"])
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_give_a_dataset_or_a_clear_error(tmp_path, kind, data):
    path = sample(kind, tmp_path / "f")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    path.write_bytes(content[:cut] if data.draw(st.booleans()) else content)
    read_everything(path)
