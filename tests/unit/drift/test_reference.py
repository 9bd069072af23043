"""Sketches: equal data give equal bytes, parts add up to the whole, and odd data are survived."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from modelyard.drift.features import columns, image_features
from modelyard.drift.reference import ReferenceInvalidError, ReferenceSketch, WindowSketch, build_reference, window_of
from modelyard.drift.repeats import repeated_share, row_hashes
from modelyard.drift.sketches import NumberSketch
from modelyard.drift.statistics import benjamini_hochberg, chi_square, excess, kolmogorov_smirnov, least_excess
from modelyard.types.signatures import DataType, Signature, TensorSpec

MIXED = Signature(
    inputs=(
        TensorSpec(name="numeric", datatype=DataType.FP32, shape=(-1, 2), columns=("age", "income")),
        TensorSpec(name="categorical", datatype=DataType.BYTES, shape=(-1, 1), columns=("city",)),
    ),
    outputs=(TensorSpec(name="prediction", datatype=DataType.FP32, shape=(-1,)),),
)


def mixed(rows: int, seed: int = 0) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    generator = np.random.default_rng(seed)
    inputs = {
        "numeric": generator.normal(40, 10, size=(rows, 2)).astype(np.float32),
        "categorical": generator.choice(np.array(["Bern", "Zug", ""], dtype=object), size=(rows, 1)),
    }
    return inputs, {"prediction": generator.normal(size=rows).astype(np.float32)}


def test_the_same_data_give_the_same_bytes_and_they_read_back():
    first, second = (build_reference(MIXED, *mixed(5000)).to_json() for _ in range(2))
    assert first == second
    assert ReferenceSketch.from_json(first).to_json() == first
    assert len(first) < 4 * 5000


@pytest.mark.parametrize("content", [b"{", b"{}", b'{"format": 99}', b""])
def test_a_damaged_reference_is_refused_with_a_reason(content: bytes):
    with pytest.raises(ReferenceInvalidError):
        ReferenceSketch.from_json(content)


def test_a_reference_of_a_later_format_is_refused():
    later = build_reference(MIXED, *mixed(10)).to_json().replace(b'"format":1', b'"format":2')
    with pytest.raises(ReferenceInvalidError, match="format 2"):
        ReferenceSketch.from_json(later)


def test_columns_carry_the_names_of_the_signature():
    assert [column.name for column in columns(MIXED, *mixed(3))] == ["age", "income", "city", "prediction"]


def test_windows_in_parts_are_the_window_as_a_whole():
    reference = build_reference(MIXED, *mixed(3000))
    whole = window_of(reference, [mixed(1000, 1)])
    parts = WindowSketch(reference)
    inputs, outputs = mixed(1000, 1)
    for part in (slice(0, 100), slice(100, 1000)):
        parts.add({k: v[part] for k, v in inputs.items()}, {k: v[part] for k, v in outputs.items()})
    halves = window_of(reference, [({k: v[:400] for k, v in inputs.items()}, {k: v[:400] for k, v in outputs.items()})])
    halves.merge(
        window_of(reference, [({k: v[400:] for k, v in inputs.items()}, {k: v[400:] for k, v in outputs.items()})])
    )
    for other in (parts, halves):
        assert other.rows == whole.rows
        assert (other.repeats.hashes.tolist(), other.repeats.rows) == (
            whole.repeats.hashes.tolist(),
            whole.repeats.rows,
        )
        for name, sketch in whole.columns.items():
            found = other.columns[name]
            assert (found.counts, found.missing) == (sketch.counts, sketch.missing)
            if isinstance(sketch, NumberSketch):
                assert found.mean == pytest.approx(sketch.mean)
                assert found.deviation == pytest.approx(sketch.deviation)


@pytest.mark.parametrize(("inputs", "said"), [({}, "none"), ({"numeric": np.zeros((0, 2))}, "0")])
def test_a_reference_needs_rows(inputs, said: str):
    with pytest.raises(ReferenceInvalidError, match=said):
        build_reference(MIXED, inputs, {})


odd_numbers = arrays(
    np.float32,
    st.integers(1, 60),
    elements=st.floats(width=32, allow_nan=True, allow_infinity=True),
)


@settings(max_examples=100, deadline=None)
@given(odd_numbers, odd_numbers)
def test_every_number_is_counted_once_whatever_it_is(reference: np.ndarray, window: np.ndarray):
    sketch = NumberSketch.of_reference(reference)
    assert sketch.count + sketch.missing == len(reference)
    assert sketch.missing == int((~np.isfinite(reference)).sum())
    assert sketch.counts == sketch.empty().with_values(reference).counts
    assert sketch.counts[0] == sketch.counts[-1] == 0 or sketch.count == 0
    seen = sketch.empty().with_values(window)
    assert seen.count + seen.missing == len(window)


def test_image_features_say_what_they_mean():
    flat = np.full((1, 8, 8), 5.0)
    dot = np.zeros((1, 8, 8))
    dot[0, 2, 6] = 16
    noise = np.random.default_rng(0).normal(5, 2, size=(1, 64, 64))
    assert image_features(flat)["noise"] == pytest.approx(0)
    assert image_features(noise)["noise"] == pytest.approx(2, rel=0.05)
    assert image_features(flat)["brightness"] == 5
    assert np.isnan(image_features(flat)["center_x"][0])
    assert (image_features(dot)["center_x"][0], image_features(dot)["center_y"][0]) == (6, 2)
    assert image_features(np.repeat(dot[..., None], 3, axis=3))["center_x"][0] == 6
    assert image_features(dot)["ink"][0] == 1 / 64


def test_equal_rows_have_equal_hashes_and_others_do_not():
    inputs, _ = mixed(1000)
    hashes = row_hashes(inputs)
    assert len(set(hashes.tolist())) == 1000
    doubled = {name: np.concatenate([tensor, tensor[:500]]) for name, tensor in inputs.items()}
    assert repeated_share(row_hashes(doubled)) == pytest.approx(1 / 3)


def test_the_kolmogorov_smirnov_p_value_in_bins_is_that_of_permutations():
    generator = np.random.default_rng(2)
    bins, reference_rows, rows = 64, 4000, 400
    everything = np.full(bins, (reference_rows + rows) // bins)
    windows = generator.multivariate_hypergeometric(everything, rows, size=100_000, method="marginals")
    shares = [np.cumsum(part, axis=1) / part.sum(axis=1, keepdims=True) for part in (everything - windows, windows)]
    distances = np.abs(shares[0] - shares[1]).max(axis=1)
    for quantile in (0.95, 0.99, 0.999):
        place = int(np.argsort(distances)[int(quantile * len(distances))])
        distance, p_value = kolmogorov_smirnov(everything - windows[place], windows[place], rows)
        assert distance == pytest.approx(distances[place])
        assert p_value == pytest.approx(1 - quantile, rel=0.15)


def test_the_chi_square_p_value_of_small_cells_is_that_of_permutations():
    from scipy.stats import chi2_contingency

    few, many = np.array([900, 60, 40]), np.array([75, 15, 10])
    _, p_value = chi_square(few, many, 100)
    plain = chi2_contingency([few, many], correction=False).pvalue
    assert p_value > plain
    assert p_value == pytest.approx(plain, abs=0.005)
    large = np.array([9000, 600, 400]), np.array([8900, 680, 420])
    assert chi_square(*large, 10_000)[1] == pytest.approx(chi2_contingency(large, correction=False).pvalue)


def test_p_values_are_those_of_the_textbook():
    from scipy.stats import fisher_exact

    assert excess(3, 1000, 9, 200) == pytest.approx(fisher_exact([[9, 191], [3, 997]], "greater").pvalue)
    assert least_excess(3, 1000, 9, 200) == pytest.approx(fisher_exact([[12, 188], [0, 1000]], "greater").pvalue)
    assert benjamini_hochberg([0.001, 0.012, 0.02, 0.5], 0.05) == [True, True, True, False]
    assert benjamini_hochberg([], 0.05) == []
