import numpy as np
import pytest

from modelyard.algorithms.errors import HyperparameterInvalidError
from modelyard.algorithms.graph import Graph
from modelyard.algorithms.tables.encoding import fit_encoder
from modelyard.algorithms.tables.ensembles import read_members
from modelyard.algorithms.tables.forests import _not_above
from modelyard.algorithms.tables.linear import fit_linear
from modelyard.algorithms.tables.models import Problem
from modelyard.algorithms.tables.scaling import fit_scaled


def test_without_members_there_is_one_of_each_kind_with_equal_weights():
    members = read_members("", is_classifier=False)
    assert [each.kind.description.name for each in members] == [
        "boosted-trees-regression",
        "forest-regression",
        "linear-regression",
        "kernel-regression",
    ]
    assert sum(each.weight for each in members) == pytest.approx(1)


@pytest.mark.parametrize(
    "members",
    [
        "[]",
        "{}",
        '[{"algorithm": "linear-regression"}]',
        '[{"algorithm": "linear-classification", "weight": 0}]',
        '[{"algorithm": "linear-classification", "hyperparameters": {"rounds": 3}}]',
        '[{"algorithm": "ensemble-classification"}]',
    ],
)
def test_members_that_cannot_be_fitted_are_refused(members):
    with pytest.raises(HyperparameterInvalidError):
        read_members(members, is_classifier=True)


def test_a_scaled_member_is_the_model_that_a_scaled_encoder_gives(workshop):
    random = np.random.default_rng(0)
    numbers = random.normal(5, 3, size=(200, 3)).astype(np.float32)
    numbers[::7, 1] = np.nan
    words = random.choice(["a", "b"], size=(200, 1)).astype(object)
    target = np.nan_to_num(numbers).sum(axis=1).astype(np.float64)
    inputs = {"numeric": numbers, "categorical": words}
    given = {"regularisation": 1.0, "l1_share": 0.0, "max_iterations": 100}

    def problem(encoder):
        features = encoder.transform(inputs)
        ones = np.ones(200, dtype=np.float32)
        return Problem(
            features=features,
            target=target,
            weights=ones,
            classes=0,
            validation_features=features[:0],
            validation_target=target[:0],
            numeric=encoder.numeric,
        )

    class Quiet:
        seed, threads = 0, 1

        def log(self, line):
            pass

    scaled, plain = (fit_encoder(inputs, max_categories=8, is_scaled=scaled) for scaled in (True, False))
    alone = fit_linear(problem(scaled), given, Quiet())
    member = fit_scaled(fit_linear, problem(plain), given, Quiet())
    np.testing.assert_allclose(
        member.scores(plain.transform(inputs)), alone.scores(scaled.transform(inputs)), rtol=1e-5
    )
    assert member.nodes(Graph(), "features")


def test_thresholds_are_rounded_so_that_every_float32_stays_on_its_side():
    thresholds = np.array([0.1, 1 / 3, -0.7, 1e-30, 16777217.0])
    narrow = _not_above(thresholds)
    assert narrow.dtype == np.float32
    assert np.all(narrow.astype(np.float64) <= thresholds)
    assert np.all(np.nextafter(narrow, np.float32(np.inf)).astype(np.float64) > thresholds)
