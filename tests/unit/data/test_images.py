"""Images in both formats."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from modelyard.data.errors import DatasetInvalidError, DatasetTooLargeError
from modelyard.data.images import read_images
from modelyard.data.schema import infer_schema
from modelyard.types.datasets import ColumnKind, DatasetFormat

RANDOM = np.random.default_rng(0)


def npz(path, **arrays):
    with path.open("wb") as file:
        np.savez(file, **arrays)
    return path


def picture(shape, kind="png"):
    buffer = io.BytesIO()
    Image.fromarray(RANDOM.integers(0, 256, shape, dtype=np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def folder(path, entries):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("dtype", ["u1", "f4", ">f8"])
def test_npz_images_keep_their_values(tmp_path, dtype):
    pixels = RANDOM.integers(0, 17, (10, 8, 8)).astype(dtype)
    path = npz(tmp_path / "i.npz", images=np.asfortranarray(pixels), labels=np.arange(10) % 3)
    images, labels = read_images(path, DatasetFormat.NPZ)
    assert images.dtype == np.float32
    np.testing.assert_array_equal(images, pixels)
    assert labels.tolist() == [i % 3 for i in range(10)]
    schema = infer_schema(path, DatasetFormat.NPZ)
    assert (schema.rows, schema.image_shape, schema.class_names) == (10, (8, 8), ("0", "1", "2"))
    image, label = schema.columns
    assert (image.kind, image.minimum, image.maximum) == (ColumnKind.IMAGE, pixels.min(), pixels.max())
    assert (label.kind, label.distinct) == (ColumnKind.CATEGORY, 3)


def test_text_labels_colour_and_a_wanted_size(tmp_path):
    path = npz(tmp_path / "i.npz", images=np.full((2, 4, 6, 3), 9, np.uint8), labels=np.array([b"cat", b"dog"]))
    images, labels = read_images(path, DatasetFormat.NPZ, size=(2, 3))
    assert images.shape == (2, 2, 3, 3)
    assert (images == 9).all()
    assert labels.tolist() == ["cat", "dog"]


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x_train": np.ones((2, 4, 4)), "labels": np.ones(2)}, "holds labels, x_train"),
        ({"images": np.ones((2, 4)), "labels": np.ones(2)}, "'images' has shape"),
        ({"images": np.ones((2, 4, 4, 2)), "labels": np.ones(2)}, "'images' has shape"),
        ({"images": np.ones((2, 4, 4)), "labels": np.ones(3)}, "'labels' has shape"),
        ({"images": np.ones((0, 4, 4)), "labels": np.ones(0)}, "no images"),
        ({"images": np.ones((2, 4, 4)), "labels": np.array([0.5, 1])}, "not whole numbers"),
        ({"images": np.full((2, 4, 4), np.nan), "labels": np.ones(2)}, "NaN"),
        ({"images": np.ones((2, 4, 4)), "labels": np.array(["a", {}], dtype=object)}, "pickle"),
        ({"images": np.ones((2, 4, 4), complex), "labels": np.ones(2)}, "type complex"),
    ],
)
def test_arrays_that_are_no_labelled_images_are_refused(tmp_path, arrays, said):
    path = npz(tmp_path / "i.npz", **arrays)
    with pytest.raises(DatasetInvalidError) as caught:
        infer_schema(path, DatasetFormat.NPZ)
    assert said in caught.value.message
    assert caught.value.hint


def test_a_header_that_claims_more_than_is_there_is_refused_without_allocating(tmp_path):
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        content, {"descr": "|u1", "fortran_order": False, "shape": (10**9, 10**4, 10**4)}
    )
    labels = io.BytesIO()
    np.save(labels, np.ones(2))
    path = folder(tmp_path / "i.npz", {"images.npy": content.getvalue(), "labels.npy": labels.getvalue()})
    for read in (infer_schema, read_images):
        with pytest.raises(DatasetInvalidError, match="says shape"):
            read(path, DatasetFormat.NPZ)


def test_a_folder_of_classes_with_mixed_sizes_and_colours(tmp_path):
    entries = {f"pets/cats/{i}.png": picture((8, 8)) for i in range(3)}
    entries |= {f"pets/dogs/{i}.jpg": picture((8, 8, 3), "jpeg") for i in range(2)}
    entries["pets/dogs/large.png"] = picture((16, 20, 4))
    path = folder(tmp_path / "z", entries)
    schema = infer_schema(path, DatasetFormat.IMAGE_FOLDER)
    assert (schema.rows, schema.image_shape, schema.class_names) == (6, (8, 8, 3), ("cats", "dogs"))
    assert "2 different sizes" in schema.columns[0].note
    images, labels = read_images(path, DatasetFormat.IMAGE_FOLDER)
    assert (images.shape, images.dtype) == ((6, 8, 8, 3), np.float32)
    assert labels.tolist() == ["cats"] * 3 + ["dogs"] * 3
    assert read_images(path, DatasetFormat.IMAGE_FOLDER, size=(4, 5))[0].shape == (6, 4, 5, 3)


def test_grey_folders_have_no_channels(tmp_path):
    path = folder(tmp_path / "z", {"a/1.png": picture((8, 8)), "b/1.png": picture((8, 8))})
    assert read_images(path, DatasetFormat.IMAGE_FOLDER)[0].shape == (2, 8, 8)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"1.png": picture((4, 4))}, "class folder"),
        ({"train/a/1.png": picture((4, 4)), "test/a/1.png": picture((4, 4))}, "class folder"),
        ({"a/1.png": picture((4, 4)), "a/readme.txt": b"x"}, "'a/readme.txt' in the zip is not an image"),
        ({"a/1.png": b"no image"}, "'a/1.png' cannot be read"),
        ({"a/1.png": b"%!PS-Adobe-3.0 EPSF-3.0\n"}, "'a/1.png' cannot be read"),
    ],
)
def test_zips_that_are_no_image_folder_are_refused(tmp_path, entries, said):
    with pytest.raises(DatasetInvalidError) as caught:
        infer_schema(folder(tmp_path / "z", entries), DatasetFormat.IMAGE_FOLDER)
    assert said in caught.value.message


def test_an_image_of_too_many_pixels_is_refused_by_its_header(tmp_path):
    content = io.BytesIO()
    Image.new("1", (9_000, 9_000)).save(content, "png")
    with pytest.raises(DatasetTooLargeError, match="9000 x 9000"):
        infer_schema(folder(tmp_path / "z", {"a/1.png": content.getvalue()}), DatasetFormat.IMAGE_FOLDER)


def test_a_broken_image_behind_a_good_header_is_named(tmp_path):
    whole = picture((64, 64, 3), "jpeg")
    path = folder(tmp_path / "z", {"a/1.jpg": whole, "a/2.jpg": whole[: len(whole) // 2]})
    with pytest.raises(DatasetInvalidError, match=r"'a/2\.jpg' cannot be read"):
        read_images(path, DatasetFormat.IMAGE_FOLDER)
