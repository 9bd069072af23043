"""Held out by content."""

import hashlib

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from modelyard.data.holdout import held_out_mask_images, held_out_mask_table, is_held_out


def test_the_rule_is_sha256_mod_1000():
    row = b"row"
    value = int(hashlib.sha256(row).hexdigest(), 16) % 1000
    assert is_held_out(row, (value + 1) / 1000)
    assert not is_held_out(row, value / 1000)


def test_about_a_fifth_of_images_is_held_out_whatever_their_dtype_and_company():
    images = np.random.default_rng(0).integers(0, 256, (5_000, 4, 4), dtype=np.uint8)
    mask = held_out_mask_images(images)
    assert 0.18 < mask.mean() < 0.22
    np.testing.assert_array_equal(mask, held_out_mask_images(images.astype(np.float32)))
    np.testing.assert_array_equal(mask[::3], held_out_mask_images(images[::3]))


def test_tables_do_not_mind_column_order_number_types_or_other_rows():
    values = np.random.default_rng(0).integers(0, 10_000, 3_000)
    texts = [f"t{value % 7}" if value % 5 else None for value in values]
    one = pa.table({"a": pa.array(values), "b": texts, "y": values % 2})
    other = pa.table({"y": 1 - values % 2, "b": texts, "a": pa.array(values.astype(np.float32))})
    mask = held_out_mask_table(one, without=["y"])
    assert 0.17 < mask.mean() < 0.23
    np.testing.assert_array_equal(mask, held_out_mask_table(other, without=["y"]))
    np.testing.assert_array_equal(mask[1000:], held_out_mask_table(one.slice(1000), without=["y"]))
    assert held_out_mask_table(one.slice(0, 0)).shape == (0,)


def test_missing_values_booleans_dates_and_signs_of_zero_have_one_form():
    table = pa.table({"x": [0.0, None], "b": [True, None], "t": pa.array([0, None], pa.timestamp("us"))})
    same = pa.table({"x": [-0.0, float("nan")], "b": [1, None], "t": pa.array([0, None], pa.timestamp("us"))})
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        np.testing.assert_array_equal(held_out_mask_table(table, share=share), held_out_mask_table(same, share=share))


@given(share=st.floats(0, 1), value=st.binary(max_size=20))
def test_a_larger_share_only_adds_rows(share, value):
    assert not is_held_out(value, 0)
    assert is_held_out(value, 1)
    assert is_held_out(value, min(1, share + 0.1)) or not is_held_out(value, share)
