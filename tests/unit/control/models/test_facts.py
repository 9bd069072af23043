"""What discovery knows of a version."""

from modelyard.control.models.facts import facts_of, version_words
from modelyard.types.models import DataReference, Lineage, Metric


def test_every_value_is_a_fact_under_its_field(manifest):
    lineage = Lineage(datasets=(DataReference(project="default", dataset="digits", number=1, digest="0"),))
    card = {"metrics": {"Accuracy": 0.5}, "hyperparameters": {"lr": 0.1, "early": True}, "custom": {"Team": "Vision"}}
    facts = {(fact.field, fact.text, fact.number) for fact in facts_of(manifest(tags=("A", "b"), **card), lineage)}
    assert facts >= {
        ("task", "image-classification", None),
        ("tags", "a", None),
        ("tags", "b", None),
        ("metrics.accuracy", None, 0.5),
        ("hyperparameters.lr", None, 0.1),
        ("hyperparameters.early", "true", None),
        ("custom.team", "vision", None),
        ("dataset", "digits", None),
        ("signature.inputs", None, 1.0),
        ("signature.inputs", "images", None),
        ("signature.inputs.datatype", "fp32", None),
    }


def test_figures_of_other_splits_are_not_taken_for_those_of_the_holdout(manifest):
    made = manifest()
    metrics = (Metric(name="accuracy", value=1.0, split="train"), Metric(name="accuracy", value=0.9))
    facts = {f.field: f.number for f in facts_of(type(made)(**_with(made, metrics=metrics)), Lineage())}
    assert (facts["metrics.accuracy"], facts["metrics.accuracy.train"]) == (0.9, 1.0)


def test_odd_names_and_values_give_facts_that_every_database_takes(manifest):
    card = {
        "hyperparameters": {"x" * 5000: "y" * 5000, "A\0b": "c\0d", "a\0B": 2},
        "custom": {"big": 10**30, "ß": "SS"},
        "tags": tuple(f"{'t' * 600}{index}" for index in range(3)),
        "description": "\0" + "w" * 100_000,
    }
    made = manifest(**card)
    facts = facts_of(made, Lineage())
    keys = [(fact.field, fact.position) for fact in facts]
    assert len(set(keys)) == len(keys)
    assert all("\0" not in fact.field + (fact.text or "") for fact in facts)
    assert max(len(fact.text or "") for fact in facts) == 512
    assert max(len(fact.field) for fact in facts) <= 300
    assert "\0" not in version_words(made)
    assert len(version_words(made)) <= 20_000


def _with(manifest, **card):
    from dataclasses import fields, replace

    values = {field.name: getattr(manifest, field.name) for field in fields(manifest)}
    return values | {"card": replace(manifest.card, **card)}
