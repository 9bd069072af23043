import numpy as np
import pytest

from modelyard.algorithms.errors import ChannelInvalidError, ColumnsInvalidError, TooFewRowsError
from modelyard.data.extend import write_labelled
from modelyard.data.holdout import held_out_mask_images
from modelyard.runtimes.bundle import load_bundle
from modelyard.types.datasets import DatasetFormat

NAME = "image-classification"
MLP = {"network": "mlp", "epochs": 10}


def worn(images, seed=0):
    """One pixel to the right, with noise of 1.5 grey levels of 16."""
    moved = np.pad(images, ((0, 0), (0, 0), (1, 0)))[:, :, :-1]
    noise = np.random.default_rng(seed).normal(0, 1.5, images.shape)
    return np.clip(moved + noise, 0, 16).astype(np.float32)


def test_retraining_on_labelled_worn_images_wins_on_them_and_loses_nothing(workshop, digits):
    images, labels = digits
    base = workshop.images(images[:1000], labels[:1000])
    first, _ = workshop.train(NAME, base, name="one", hyperparameters=MLP)
    signature = load_bundle(first)[0].signature
    new = {"images": worn(images[1000:1600])}
    for name, old in (("extended.npz", base.path), ("feedback.npz", None)):
        path = workshop.folder / name
        write_labelled(old, DatasetFormat.NPZ, signature, new, labels[1000:1600], None, path)
    extended = workshop.channel("extended.npz", DatasetFormat.NPZ)
    second, _ = workshop.train(NAME, extended, name="two", hyperparameters=MLP)
    channels = {"old": base, "new": workshop.channel("feedback.npz", DatasetFormat.NPZ)}
    found = workshop.evaluate(channels, {"digits:1": first, "digits:2": second})
    assert found["new/digits:1/accuracy"] < 0.8
    assert found["new/digits:2/accuracy"] >= 0.93
    assert found["new/digits:2/accuracy/low"] > found["new/digits:1/accuracy/high"]
    assert found["new/paired/difference"] == pytest.approx(
        found["new/digits:2/accuracy"] - found["new/digits:1/accuracy"]
    )
    assert found["new/paired/p_value"] < 1e-6
    assert abs(found["old/paired/difference"]) < 0.03
    assert found["old/paired/p_value"] > 0.01
    assert found["new/digits:2/accuracy/n"] == held_out_mask_images(new["images"]).sum()


def test_only_rows_that_no_candidate_trained_on_judge(workshop, digits):
    images, labels = digits
    channel = workshop.images(images[:800], labels[:800])
    bundles = {
        f"digits:{share}": workshop.train(
            NAME, channel, name=f"share-{share}", hyperparameters=MLP | {"holdout_share": share, "epochs": 2}
        )[0]
        for share in (0.3, 0.1)
    }
    found = workshop.evaluate({"old": channel}, bundles)
    assert found["old/digits:0.3/accuracy/n"] == held_out_mask_images(images[:800], share=0.1).sum()


def table(rows, seed=0):
    random = np.random.default_rng(seed)
    x, kind = random.normal(size=rows), random.choice(["1", "2", "x"], rows)
    lines = [f"{i},{a:.4f},{k},{3 * a + (k == 'x'):.4f}" for i, (a, k) in enumerate(zip(x, kind, strict=True))]
    return "number-of-row,x,kind,y\n" + "\n".join(lines) + "\n"


def test_captured_rows_of_a_table_are_held_out_alike_alone_and_within_the_extended_table(workshop):
    base = workshop.csv("id,x,kind,y\n" + "".join(f"id-{i},{i / 7:.3f},{'ab'[i % 2]},{i * 2.0}\n" for i in range(300)))
    first, _ = workshop.train("linear-regression", base, target="y")
    signature = load_bundle(first)[0].signature
    random = np.random.default_rng(1)
    inputs = {
        "numeric": random.normal(size=(200, 1)).astype(np.float32),
        "categorical": random.choice(np.array(["a", "b", ""], dtype=object), (200, 1)),
    }
    truth = inputs["numeric"][:, 0].astype(np.float64) * 14
    for name, old in (("extended.csv", base.path), ("feedback.csv", None)):
        write_labelled(old, DatasetFormat.CSV, signature, inputs, truth, "y", workshop.folder / name)
    channels = {
        "base": base,
        "extended": workshop.channel("extended.csv", DatasetFormat.CSV),
        "feedback": workshop.channel("feedback.csv", DatasetFormat.CSV),
    }
    found = workshop.evaluate(channels, {"price:1": first}, target="y")
    rows = {role: found[f"{role}/price:1/rmse/n"] for role in channels}
    assert rows["extended"] == rows["base"] + rows["feedback"]
    assert 20 < rows["feedback"] < 60


def test_tables_are_evaluated_by_the_models_own_columns(workshop):
    channel = workshop.csv(table(400))
    first, _ = workshop.train("linear-regression", channel, target="y", name="one")
    second, _ = workshop.train("boosted-trees-regression", channel, target="y", name="two")
    found = workshop.evaluate(
        {"new": workshop.csv(table(300, 5), "new.csv")}, {"a:1": first, "b:1": second}, target="y"
    )
    assert found["new/a:1/r2"] > 0.99
    assert found["new/paired/difference"] == pytest.approx(found["new/a:1/rmse"] - found["new/b:1/rmse"])
    short = workshop.csv("x,y\n" + "\n".join(f"{i},{i}" for i in range(99)), "short.csv")
    with pytest.raises(ColumnsInvalidError, match="The table has no column"):
        workshop.evaluate({"new": short}, {"a:1": first}, target="y")


def test_channels_that_cannot_be_judged_are_refused_with_the_reason(workshop, digits):
    images, labels = digits
    bundle, _ = workshop.train(NAME, workshop.images(images[:200], labels[:200]), hyperparameters=MLP | {"epochs": 1})
    colours = workshop.images(np.zeros((30, 8, 8, 3), dtype=np.uint8), np.arange(30) % 2, "colours.npz")
    with pytest.raises(ChannelInvalidError, match=r"have shape \(8, 8, 3\), the model takes \(8, 8\)"):
        workshop.evaluate({"new": colours}, {"digits:1": bundle})
    trained = np.flatnonzero(~held_out_mask_images(images))[:5]
    few = workshop.images(images[trained], labels[trained], "few.npz")
    with pytest.raises(TooFewRowsError, match="None of the 5 rows of channel 'new' is held out"):
        workshop.evaluate({"new": few}, {"digits:1": bundle})
