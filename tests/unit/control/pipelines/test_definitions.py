"""Definitions: references, order, types, content, and what is said of those that cannot be run."""

import string
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.control.pipelines.caching.keys import content_key, ingredients_of
from modelyard.control.pipelines.caching.reasons import reason_of_miss
from modelyard.control.pipelines.definition.checking import check
from modelyard.control.pipelines.definition.ordering import before, graph_of, ordered
from modelyard.control.pipelines.definition.parameters import complete
from modelyard.control.pipelines.definition.references import Reference, find, resolve, sole
from modelyard.control.pipelines.errors import ParameterInvalidError, PipelineInvalidError
from modelyard.control.pipelines.kinds.catalog import Works, all_kinds, descriptions
from modelyard.control.pipelines.schemas import PipelineChange
from modelyard.sdk.pipelines.builder import NameTakenError, Pipeline
from modelyard.types.pipelines.definitions import Parameter, StepDefinition, ValueType

NAMES = st.text(string.ascii_lowercase + string.digits + "_", min_size=1, max_size=8)
REFERENCES = st.builds(Reference, st.one_of(st.just(""), NAMES), NAMES, st.lists(NAMES, max_size=3).map(tuple))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8).filter(lambda text: "${" not in text),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
KINDS = descriptions(
    all_kinds(
        Works(
            registry=None, operations=None, jobs=None, tunings=None, searches=None, scripts=None, batches=None,
            settings=None, folder=None,
        )
    )
)  # fmt: skip
TRAIN = {
    "kind": "training",
    "inputs": {
        "algorithm": "boosted-trees-regression",
        "data": "${parameters.data}",
        "model": "houses",
        "target": "price",
        "hyperparameters": {"max_depth": "${parameters.depth}"},
    },
}
PARAMETERS = {"data": {"type": "dataset", "default": "houses"}, "depth": {"type": "integer", "default": 3}}
GOOD = {
    "parameters": PARAMETERS,
    "steps": {
        "train": TRAIN,
        "good": {
            "kind": "condition",
            "inputs": {"value": "${steps.train.outputs.figures.r2}", "at_least": 0.5},
        },
        "champion": {
            "kind": "register",
            "inputs": {"version": "${steps.train.outputs.model}", "alias": "champion"},
            "when": ["good"],
        },
    },
}


def checked(**document):
    check(PipelineChange.model_validate({**GOOD, **document}).definition(), KINDS)


def with_step(name: str, **changes) -> dict:
    return {"steps": {**GOOD["steps"], name: {**GOOD["steps"].get(name, {}), **changes}}}


def with_input(step: str, **inputs) -> dict:
    return with_step(step, inputs={**GOOD["steps"][step]["inputs"], **inputs})


@given(REFERENCES)
def test_a_reference_reads_back_as_it_was_written(reference: Reference) -> None:
    assert sole(str(reference), "") == reference
    assert [found for _, found in find({"a": [f"x{reference}y"]}, "f")] == [reference]
    assert resolve(str(reference), lambda found: (found,)) == (reference,)


@given(VALUES)
def test_values_without_references_stay_as_they_are(value: object) -> None:
    assert resolve(value, lambda _: pytest.fail("nothing is referred to")) == value


def test_a_reference_inside_of_text_becomes_text_and_two_dollars_are_none() -> None:
    assert resolve("r2 ${parameters.x}, $${parameters.x}", lambda _: 0.5) == "r2 0.5, ${parameters.x}"


@given(st.data(), st.integers(1, 8))
def test_every_step_stands_behind_those_that_it_waits_for(data: st.DataObject, size: int) -> None:
    steps = {}
    for number in range(size):
        earlier = [f"s{other}" for other in range(number)]
        after = tuple(data.draw(st.lists(st.sampled_from(earlier), unique=True))) if earlier else ()
        steps[f"s{number}"] = StepDefinition(kind="work", after=after)
    order = ordered(dict(reversed(steps.items())))
    assert sorted(order) == sorted(steps)
    for name, step in steps.items():
        assert all(order.index(other) < order.index(name) for other in before(name, step))
    assert {node.name for node in graph_of(steps).nodes} == set(steps)


@given(st.dictionaries(NAMES, st.integers() | st.text(max_size=5), min_size=1), st.data())
def test_the_key_follows_from_the_content_alone_and_a_change_is_told_by_name(options: dict, data) -> None:
    kind = KINDS["training"]
    now = ingredients_of(kind, {"model": "m", "hyperparameters": options, "resources": {"cpus": 1}}, {}, "1")
    turned = dict(reversed(options.items()))
    same = ingredients_of(kind, {"hyperparameters": turned, "model": "m", "resources": {"cpus": 2}}, {}, "1")
    assert content_key(now) == content_key(same)
    name = data.draw(st.sampled_from(sorted(options)))
    other = ingredients_of(kind, {"model": "m", "hyperparameters": {**options, name: [1]}}, {}, "1")
    assert content_key(now) != content_key(other)
    assert reason_of_miss(now, other).startswith(f"hyperparameter {name} changed from ")
    assert reason_of_miss(other, {}).count("is gone") == min(len(other), 4)


def test_a_good_definition_is_taken() -> None:
    checked()


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"steps": {}}, "steps", "no steps"),
        (with_step("train", kind="trainig"), "steps.train.kind", "Did you mean 'training'? There are approve, automl,"),
        (with_input("train", modle="x"), "steps.train.inputs.modle", "Did you mean 'model'?"),
        (with_input("train", algorithm=None), "steps.train.inputs.algorithm", "lacks the input 'algorithm'"),
        (with_input("train", seed="one"), "steps.train.inputs.seed", "takes an integer"),
        (with_input("train", data="${parameters.dta}"), "steps.train.inputs.data", "Did you mean 'data'?"),
        (with_input("train", data="${parameters.depth}"), "steps.train.inputs.data", "is an integer, and input 'data'"),
        (with_input("train", data="${paramters.data}"), "steps.train.inputs.data", "is no reference"),
        (with_input("champion", version="${steps.trian.outputs.model}"), "steps.champion.inputs.version", "'train'"),
        (with_input("champion", version="${steps.train.outputs.modl}"), "steps.champion.inputs.version", "'model'"),
        (with_input("champion", version="${steps.good.outputs.holds}"), "steps.champion.inputs.version", "a boolean"),
        (with_input("champion", alias="${steps.train.outputs.job.id}"), "steps.champion.inputs.alias", "no parts"),
        (with_step("champion", when=["train"]), "steps.champion.when", "a training step"),
        (with_step("champion", after=["nobody"]), "steps.champion.after", "no step 'nobody'"),
        (with_step("train", unless=["good"]), "steps.train", "train -> good -> train"),
        ({"parameters": {**PARAMETERS, "x": {"default": "y"}}}, "parameters.x", "No step uses parameter 'x'"),
        ({"parameters": {**PARAMETERS, "depth": {"type": "integer", "default": "y"}}}, "parameters.depth.default", "n"),
        ({"triggers": {"schedule": "every day"}}, "triggers.schedule", "no cron expression"),
        (
            {"triggers": {"datasets": [{"dataset": "houses", "parameter": "depth"}]}},
            "triggers.datasets.0.parameter",
            "takes an integer",
        ),
        (
            {"triggers": {"schedule": "0 3 * * *"}, "parameters": {**PARAMETERS, "depth": {"type": "integer"}}},
            "parameters.depth",
            "no value for parameter 'depth'",
        ),
    ],
)  # fmt: skip
def test_a_definition_that_cannot_be_run_is_refused_with_its_field(change: dict, field: str, words: str) -> None:
    with pytest.raises(PipelineInvalidError) as caught:
        checked(**change)
    assert caught.value.field in (field, "steps.good") if "->" in words else caught.value.field == field
    told = f"{caught.value.message}. {caught.value.hint}"
    assert words in told or ("->" in words and "good -> train -> good" in told)


@pytest.mark.parametrize(
    ("values", "words"), [({"dept": 3}, "no parameter 'dept'"), ({"depth": "3"}, "takes an integer"), ({}, "no value")]
)
def test_parameters_that_do_not_fit_are_refused(values: dict, words: str) -> None:
    with pytest.raises(ParameterInvalidError, match=words):
        complete({"depth": Parameter(type=ValueType.INTEGER)}, values)


def test_the_python_builder_makes_the_document_that_yaml_has() -> None:
    pipeline = Pipeline("houses", "Prices")
    data = pipeline.parameter("data", "houses", type=ValueType.DATASET)
    depth = pipeline.parameter("depth", 3)
    train = pipeline.step(
        "train",
        "training",
        algorithm="boosted-trees-regression",
        data=data,
        model="houses",
        target="price",
        hyperparameters={"max_depth": depth},
    )
    good = pipeline.step("good", "condition", value=train.figures["r2"], at_least=0.5)
    pipeline.step("champion", "register", version=train.model, alias="champion", when=good)
    pipeline.trigger(schedule="0 3 * * 1", datasets={"houses": data}, monitors=["watch"])
    document = pipeline.document()
    assert (document.pop("name"), document["description"]) == ("houses", "Prices")
    made = PipelineChange.model_validate(document).definition()
    check(made, KINDS)
    assert made.steps == PipelineChange.model_validate(GOOD).definition().steps
    assert made.triggers.datasets[0].parameter == "data"
    with pytest.raises(NameTakenError):
        pipeline.step("good", "condition", value=1)


def test_inputs_of_every_kind_are_documented_and_named_once() -> None:
    for kind in KINDS.values():
        names = [spec.name for spec in kind.inputs]
        assert len(names) == len(set(names)), kind.name
        assert all(spec.description for spec in (*kind.inputs, *kind.outputs)), kind.name
    assert SimpleNamespace(**KINDS).training.is_cacheable
    assert {name for name, kind in KINDS.items() if kind.needs_operator} == {"deploy", "notify"}
