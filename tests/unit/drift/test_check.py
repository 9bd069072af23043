"""Does a check alarm when something drifted, only then, and in words that a person understands?"""

import numpy as np
import pytest

from modelyard.drift.base import DetectionSettings
from modelyard.drift.catalog import DETECTORS, DetectorUnknownError, detector
from modelyard.drift.check import check
from modelyard.drift.reference import ReferenceSketch, build_reference, window_of
from modelyard.types.monitoring import Verdict
from modelyard.types.signatures import DataType, Signature, TensorSpec

COLUMNS = 30
TABLE = Signature(
    inputs=(
        TensorSpec(
            name="numeric",
            datatype=DataType.FP32,
            shape=(-1, COLUMNS),
            columns=tuple(f"x{index}" for index in range(COLUMNS)),
            allows_missing=True,
        ),
    ),
    outputs=(),
)
CITY = Signature(
    inputs=(TensorSpec(name="categorical", datatype=DataType.BYTES, shape=(-1, 1), columns=("city",)),), outputs=()
)
IMAGES = Signature(
    inputs=(TensorSpec(name="images", datatype=DataType.FP32, shape=(-1, 8, 8)),),
    outputs=(
        TensorSpec(name="label", datatype=DataType.INT64, shape=(-1,)),
        TensorSpec(name="probabilities", datatype=DataType.FP32, shape=(-1, 2), columns=("0", "1")),
    ),
)


def numbers(generator: np.random.Generator, rows: int) -> np.ndarray:
    return generator.standard_normal((rows, COLUMNS), dtype=np.float32)


def table_reference(generator: np.random.Generator, rows: int) -> ReferenceSketch:
    return build_reference(TABLE, {"numeric": numbers(generator, rows)}, {})


def test_discrete_numbers_and_categories_do_not_cry_wolf_either():
    generator = np.random.default_rng(5)
    cities = np.array(["Bern", "Chur", "Genf", "Zug", "Uri"], dtype=object)
    share = [0.6, 0.25, 0.1, 0.04, 0.01]
    found = 0
    for index in range(200):
        if index % 10 == 0:
            values = generator.choice(cities, p=share, size=(1000, 1))
            reference = build_reference(CITY, {"categorical": values}, {})
        window = generator.choice(cities, p=share, size=(300, 1))
        found += check(reference, {"categorical": window}, {}, alarms_per_week=1e9)[0] is Verdict.DRIFT
    assert found / 200 <= 0.06


def test_missing_values_new_categories_and_repeats_are_findings_of_their_own():
    generator = np.random.default_rng(7)
    reference = table_reference(generator, 2000)
    values = numbers(generator, 400)
    values[:80, 4] = np.nan
    verdict, sentence, findings = check(reference, {"numeric": values}, {})
    assert (verdict, findings[0].column, findings[0].kind, findings[0].effect) == (Verdict.DRIFT, "x4", "missing", 0.2)
    assert "x4 is missing in 20 % of the rows instead of 0 %" in sentence

    stuck = np.tile(numbers(generator, 20), (20, 1))
    _, sentence, findings = check(reference, {"numeric": stuck}, {})
    assert sentence == "95 % of the rows repeat an earlier row instead of 0 %."
    assert [finding.column for finding in findings if finding.is_drifted] == ["rows"]

    known = np.array(["Bern", "Chur"], dtype=object)
    reference = build_reference(CITY, {"categorical": generator.choice(known, size=(500, 1))}, {})
    window = np.append(generator.choice(known, size=(270, 1)), np.full((30, 1), "Oslo", dtype=object), axis=0)
    _, sentence, _ = check(reference, {"categorical": window}, {})
    assert "city has values never seen before in 10 % of the rows ('Oslo')" in sentence


def test_too_few_rows_give_no_verdict():
    reference = table_reference(np.random.default_rng(1), 500)
    verdict, sentence, findings = check(reference, {"numeric": numbers(np.random.default_rng(2), 12)}, {})
    assert (verdict, findings) == (Verdict.INSUFFICIENT, ())
    assert sentence == "Not enough rows to judge: 12 of at least 100."


def test_worn_images_are_described_as_a_person_would():
    generator = np.random.default_rng(3)
    rows, cols = np.mgrid[0:8, 0:8]
    centres = generator.normal(3.0, 0.3, size=(2, 900))
    images = 16 * np.exp(
        -((rows - centres[0][:, None, None]) ** 2 + (cols - centres[1][:, None, None]) ** 2) / 4
    ) + generator.normal(0, 0.2, size=(900, 8, 8))
    clean, worn = images[:600].astype(np.float32), images[600:].astype(np.float32)
    worn = np.roll(worn, 1, axis=2) + generator.normal(0, 2, size=worn.shape).astype(np.float32)

    def answers(rows: int, confidence: float) -> dict[str, np.ndarray]:
        first = generator.normal(confidence, 0.01, size=rows).astype(np.float32)
        return {"label": np.arange(rows) % 2, "probabilities": np.stack([first, 1 - first], axis=1)}

    reference = build_reference(IMAGES, {"images": clean}, answers(600, 0.97))
    assert check(reference, {"images": clean[:300]}, answers(300, 0.97))[0] is Verdict.NO_DRIFT
    verdict, sentence, findings = check(reference, {"images": worn}, answers(300, 0.71))
    assert verdict is Verdict.DRIFT
    assert sentence.startswith("Images are ")
    assert "noisier (noise " in sentence
    assert "shifted right (center_x " in sentence
    assert "confidence fell from 0.97 to 0.71" in sentence
    assert all(finding.is_drifted for finding in findings[:3])


def test_the_alarms_per_week_are_shared_by_all_checks_of_the_week():
    assert DetectionSettings(alarms_per_week=1, checks_per_week=168).alpha == pytest.approx(1 / 168)
    assert DetectionSettings(alarms_per_week=100, checks_per_week=1).alpha == 0.05


def test_detectors_are_found_by_name_and_watch_what_they_say():
    generator = np.random.default_rng(8)
    reference = build_reference(
        IMAGES,
        {"images": generator.normal(size=(500, 8, 8))},
        {"label": generator.integers(0, 2, 500), "probabilities": generator.random((500, 2))},
    )
    window = window_of(
        reference,
        [({"images": generator.normal(size=(300, 8, 8))}, {"label": np.ones(300, dtype=np.int64)})],
    )
    assert {"multivariate-drift", "estimated-quality"} < set(DETECTORS)
    names = ("drift", "prediction-drift", "input-drift")
    verdicts = {name: detector(name).detect(reference, window, DetectionSettings()).verdict for name in names}
    assert verdicts == {
        "drift": Verdict.DRIFT,
        "prediction-drift": Verdict.DRIFT,
        "input-drift": Verdict.NO_DRIFT,
    }
    with pytest.raises(DetectorUnknownError) as caught:
        detector("predicton-drift")
    assert "Did you mean 'prediction-drift'?" in caught.value.hint
