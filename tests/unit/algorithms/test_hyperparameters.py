import pytest

from modelyard.algorithms import catalog
from modelyard.algorithms.errors import HyperparameterInvalidError
from modelyard.algorithms.hyperparameters import complete, integers

IMAGES = catalog.describe("image-classification")


@pytest.mark.parametrize("description", catalog.descriptions(), ids=lambda description: description.name)
def test_every_algorithm_accepts_its_own_defaults(description):
    found = complete(description, {})
    assert found == {parameter.name: parameter.default for parameter in description.hyperparameters}
    assert description.objective in description.metrics


def test_given_values_replace_defaults_and_text_is_read_as_the_parameters_type():
    found = complete(
        IMAGES, {"epochs": "7", "learning_rate": "0.01", "early_stopping": "True", "layers": "64, 32", "dropout": 0}
    )
    assert (found["epochs"], found["learning_rate"], found["early_stopping"]) == (7, 0.01, True)
    assert (found["layers"], found["dropout"]) == ("64,32", 0.0)
    assert complete(IMAGES, {"layers": 128, "epochs": 5.0})["layers"] == "128"
    assert integers("128,64") == (128, 64)


def test_an_unknown_name_is_refused_with_the_nearest_one():
    with pytest.raises(HyperparameterInvalidError, match="no hyper-parameter 'learning-rat'") as caught:
        complete(IMAGES, {"learning-rat": 0.1})
    assert "Did you mean 'learning_rate'?" in caught.value.hint
    assert caught.value.field == "hyperparameters.learning-rat"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"epochs": 0}, "from 1 to 10000"),
        ({"epochs": 1.5}, "a whole number"),
        ({"epochs": True}, "a number"),
        ({"learning_rate": "fast"}, "a number"),
        ({"learning_rate": float("nan")}, "a number"),
        ({"learning_rate": 2}, "from 1e-06 to 1"),
        ({"early_stopping": "perhaps"}, "true or false"),
        ({"layers": "big"}, "whole numbers with commas"),
        ({"layers": "128,0"}, "from 1 to 8192"),
    ],
)
def test_a_wrong_type_or_range_is_refused_with_what_is_allowed(given, said):
    with pytest.raises(HyperparameterInvalidError) as caught:
        complete(IMAGES, given)
    assert said in caught.value.message
    assert caught.value.field == f"hyperparameters.{next(iter(given))}"


def test_a_wrong_choice_is_refused_with_the_choices():
    with pytest.raises(HyperparameterInvalidError) as caught:
        complete(IMAGES, {"augmentation": "shifts"})
    assert caught.value.hint == "Did you mean 'shift'? Choose one of none, shift, noise, shift-noise."
