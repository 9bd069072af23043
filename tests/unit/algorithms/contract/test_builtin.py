"""AWS's built-in algorithms on real data: as accurate as the plain library, in every format of theirs."""

import io
import json
import re
import struct
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import xgboost
from PIL import Image
from sklearn.cluster import KMeans
from sklearn.datasets import dump_svmlight_file, load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from modelyard.algorithms.contract.hyperparameters import check_names
from modelyard.algorithms.contract.train import MODULES
from modelyard.control.jobs.contract.images import ALGORITHMS
from modelyard.testing.aws.algorithms import answers, csv, failure, train
from modelyard.testing.aws.records import labelled_image, record

Split = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def split(load: Callable[..., tuple[np.ndarray, np.ndarray]]) -> Split:
    """Training features, test features, training labels, test labels; float32."""
    features, labels = load(return_X_y=True)
    return tuple(part.astype(np.float32) for part in train_test_split(features, labels, random_state=0))


def booster_of(root: Path) -> xgboost.Booster:
    booster = xgboost.Booster()
    booster.load_model(bytearray((root / "model" / "xgboost-model").read_bytes()))
    return booster


def test_each_name_of_an_image_has_a_program():
    assert set(ALGORITHMS.values()) == set(MODULES)


@pytest.mark.parametrize("content_type", ["text/csv", "text/libsvm", "application/x-parquet"])
def test_xgboost_is_the_library_with_its_own_file(tmp_path, content_type, capsys):
    features, test, labels, truth = split(load_breast_cancer)
    if content_type == "text/csv":
        files = [csv(features, labels), csv(test, truth)]
    elif content_type == "application/x-parquet":
        files = [_parquet(features, labels), _parquet(test, truth)]
    else:
        files = [_libsvm(features, labels), _libsvm(test, truth)]
        features, test = (np.where(each == 0, np.nan, each) for each in (features, test))  # a line names no zeros
    given = {"objective": "binary:logistic", "num_round": 20, "max_depth": 3, "eta": 0.3, "eval_metric": "error,auc"}
    channels = {"train": {"part": files[0]}, "validation": {"part": files[1]}}
    assert train(tmp_path, "xgboost", given, channels, content_type) == 0
    log = capsys.readouterr().out
    booster = booster_of(tmp_path)
    accuracy = ((booster.predict(xgboost.DMatrix(test)) > 0.5) == truth).mean()
    plain = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 3, "eta": 0.3}, xgboost.DMatrix(features, labels), 20
    )
    assert accuracy == pytest.approx(((plain.predict(xgboost.DMatrix(test)) > 0.5) == truth).mean(), abs=1e-6)
    last = [json.loads(line[7:]) for line in log.splitlines() if line.startswith("metric ")]
    error = next(each["value"] for each in last if each["name"] == "validation:error" and each["step"] == 19)
    assert error == pytest.approx(1 - accuracy, abs=1e-6)
    assert "[19]\ttrain-error:" in log


def test_xgboost_measures_what_its_container_adds_to_the_library(tmp_path, capsys):
    features, test, labels, truth = split(load_wine)
    given = {"objective": "multi:softprob", "num_class": 3, "num_round": 5, "eval_metric": "merror,f1,accuracy"}
    channels = {"train": {"a.csv": csv(features, labels)}, "validation": {"a.csv": csv(test, truth)}}
    assert train(tmp_path, "xgboost", given, channels) == 0
    answers = booster_of(tmp_path).predict(xgboost.DMatrix(test)).argmax(axis=1)
    told = [json.loads(line[7:]) for line in capsys.readouterr().out.splitlines() if line.startswith("metric ")]
    last = {each["name"]: each["value"] for each in told if each["step"] == 4}
    assert last["validation:f1"] == pytest.approx(f1_score(truth, answers, average="macro"), abs=1e-6)
    assert last["validation:accuracy"] == pytest.approx(accuracy_score(truth, answers), abs=1e-6)
    assert last["validation:merror"] == pytest.approx(1 - last["validation:accuracy"], abs=1e-6)


def test_xgboost_stops_early_and_keeps_the_best_rounds(tmp_path):
    features, test, labels, truth = split(load_diabetes)
    given = {"objective": "reg:squarederror", "num_round": 300, "early_stopping_rounds": 5}
    channels = {"train": {"a.csv": csv(features, labels)}, "validation": {"a.csv": csv(test, truth)}}
    assert train(tmp_path, "xgboost", given, channels) == 0
    booster = booster_of(tmp_path)
    assert 0 < booster.num_boosted_rounds() < 50


def test_xgboost_stops_where_an_accuracy_is_highest(tmp_path, capsys):
    features, test, labels, truth = split(load_breast_cancer)
    given = {"objective": "binary:logistic", "num_round": 40, "max_depth": 1, "eta": 0.1}
    given |= {"eval_metric": "accuracy", "early_stopping_rounds": 40}
    channels = {"train": {"a.csv": csv(features, labels)}, "validation": {"a.csv": csv(test, truth)}}
    assert train(tmp_path, "xgboost", given, channels) == 0
    told = [json.loads(line[7:]) for line in capsys.readouterr().out.splitlines() if line.startswith("metric ")]
    found = [each["value"] for each in told if each["name"] == "validation:accuracy"]
    assert min(found) < max(found) == found[booster_of(tmp_path).num_boosted_rounds() - 1]


@pytest.mark.parametrize(
    ("kind", "load", "plain"),
    [
        ("binary_classifier", load_breast_cancer, LogisticRegression(C=np.inf, max_iter=1000)),
        ("multiclass_classifier", load_wine, LogisticRegression(C=np.inf, max_iter=1000)),
        ("regressor", load_diabetes, LinearRegression()),
    ],
)
def test_the_linear_learner_is_as_accurate_as_the_plain_library(tmp_path, kind, load, plain):
    features, test, labels, truth = split(load)
    given = {"predictor_type": kind, "feature_dim": features.shape[1], "mini_batch_size": 50}
    given |= {"num_classes": 3} if kind == "multiclass_classifier" else {}
    assert train(tmp_path, "linear-learner", given, {"train": {"a.csv": csv(features, labels)}}) == 0
    found = answers(tmp_path, test)
    reference = make_pipeline(StandardScaler(), plain).fit(features, labels)
    if kind == "regressor":
        assert found["prediction"] == pytest.approx(reference.predict(test), rel=1e-3)
        return
    assert (found["label"] == truth).mean() >= reference.score(test, truth) - 0.02
    assert (found["probabilities"].argmax(axis=1) == found["label"]).all()
    assert found["probabilities"] == pytest.approx(reference.predict_proba(test), abs=0.2)


def test_factorization_machines_are_better_than_a_linear_model_where_pairs_count(tmp_path):
    features, test, labels, truth = split(load_breast_cancer)
    scaler = StandardScaler().fit(features)
    features, test = (scaler.transform(each).astype(np.float32) for each in (features, test))
    given = {"predictor_type": "binary_classifier", "num_factors": 4, "epochs": 30, "mini_batch_size": 32}
    channels = {"train": {"a.csv": csv(features, labels)}, "test": {"a.csv": csv(test, truth)}}
    assert train(tmp_path / "cancer", "factorization-machines", given, channels) == 0
    found = answers(tmp_path / "cancer", test)
    plain = LogisticRegression(max_iter=1000).fit(features, labels).score(test, truth)
    assert (found["label"] == truth).mean() >= plain - 0.03

    pairs = features[:, :1] * features[:, 1:2]
    target, truth = pairs[:, 0], test[:, 0] * test[:, 1]
    given = {"predictor_type": "regressor", "num_factors": 4, "epochs": 60, "mini_batch_size": 32}
    two = {"train": {"a.csv": csv(features[:, :3], target)}}
    assert train(tmp_path / "pairs", "factorization-machines", given, two) == 0
    error = np.abs(answers(tmp_path / "pairs", test[:, :3])["prediction"] - truth).mean()
    linear = np.abs(LinearRegression().fit(features[:, :3], target).predict(test[:, :3]) - truth).mean()
    assert error < linear / 3


def test_k_means_pca_and_knn_answer_as_the_plain_library_does(tmp_path):
    features, test, labels, truth = split(load_digits)
    unlabelled = {"train": {"a.csv": csv(features, None)}}
    clusters = tmp_path / "k-means"
    assert train(clusters, "k-means", {"k": 10, "feature_dim": 64}, unlabelled, "text/csv;label_size=0") == 0
    found = answers(clusters, test)
    plain = KMeans(10, n_init=10, random_state=0).fit(features)
    assert (found["closest_cluster"] == plain.predict(test)).all()
    assert found["distance_to_cluster"] == pytest.approx(plain.transform(test).min(axis=1), rel=1e-3)

    components = tmp_path / "pca"
    given = {"num_components": 3, "feature_dim": 64, "mini_batch_size": 100}
    assert train(components, "pca", given, unlabelled, "text/csv;label_size=0") == 0
    expected = PCA(3).fit(features).transform(test)[:, ::-1]
    assert np.abs(answers(components, test)["projection"]) == pytest.approx(np.abs(expected), abs=1e-2)

    for kind, plain in (("classifier", KNeighborsClassifier(5)), ("regressor", KNeighborsRegressor(5))):
        root = tmp_path / kind
        given = {"k": 5, "predictor_type": kind, "sample_size": len(features), "feature_dim": 64}
        channels = {"train": {"a.csv": csv(features, labels)}, "test": {"a.csv": csv(test, truth)}}
        assert train(root, "knn", given, channels) == 0
        same = answers(root, test)["predicted_label"] == plain.fit(features, labels).predict(test).astype(np.float32)
        assert same.mean() > 0.99


@pytest.mark.parametrize("content_type", ["text/csv", "text/csv;label_size=1"])
def test_what_learns_without_labels_leaves_a_first_column_out_that_is_one(tmp_path, content_type, capsys):
    features, _, labels, _ = split(load_wine)
    given = {
        "k-means": {"k": 3, "feature_dim": 13},
        "pca": {"num_components": 2, "feature_dim": 13, "mini_batch_size": 10},
        "random-cut-forest": {"num_trees": 5, "feature_dim": 13},
    }
    for name, each in given.items():
        labelled, plain, wrong = tmp_path / name / "labelled", tmp_path / name / "plain", tmp_path / name / "wrong"
        rows = {"train": {"a.csv": csv(features, labels)}}
        assert train(labelled, name, each, rows, content_type) == 0
        assert train(plain, name, each, {"train": {"a.csv": csv(features, None)}}, "text/csv;label_size=0") == 0
        models = [(root / "model" / "model.onnx").read_bytes() for root in (labelled, plain)]
        assert models[0] == models[1]
        assert train(wrong, name, each | {"feature_dim": 11}, rows, content_type) == 2
        assert "'feature_dim' is 11" in failure(wrong)
    assert ("is taken for a label, as feature_dim is 13" in capsys.readouterr().out) == (content_type == "text/csv")


def test_the_log_ends_with_what_had_no_effect(tmp_path, capsys):
    features, _, labels, _ = split(load_wine)
    given = {"k": 3, "feature_dim": 13, "mini_batch_size": 10, "epochs": 2, "_tuning_objective_metric": "test:msd"}
    channels = {"train": {"a.csv": csv(features, None)}, "test": {"a.csv": csv(features, labels)}, "model": {"a": b""}}
    assert train(tmp_path / "k-means", "k-means", given, channels, "text/csv;label_size=0", test="text/csv") == 0
    log = capsys.readouterr().out.splitlines()
    assert log[-2] == "Hyper-parameters without effect here: epochs, mini_batch_size"
    assert log[-1].startswith("The channel 'model' is not used")
    found = {
        each["name"]: each["value"] for line in log if line.startswith("metric ") for each in [json.loads(line[7:])]
    }
    assert found["test:msd"] == pytest.approx(found["train:msd"], rel=1e-6)
    assert found["test:ssd"] == pytest.approx(found["test:msd"] * len(features), rel=1e-6)

    given = {"objective": "multi:softmax", "num_class": 3, "num_round": 2}
    assert train(tmp_path / "xgboost", "xgboost", given, {"train": {"a.csv": csv(features, labels)}}) == 0
    assert "without effect" not in capsys.readouterr().out


def test_protobuf_records_are_read_dense_and_sparse(tmp_path):
    features, test, labels, _ = split(load_wine)
    records = b"".join(
        record(row, label, is_sparse=index % 2 == 0)
        for index, (row, label) in enumerate(zip(features, labels, strict=True))
    )
    dense, sparse = tmp_path / "csv", tmp_path / "records"
    given = {"predictor_type": "multiclass_classifier", "num_classes": 3}
    assert train(dense, "linear-learner", given, {"train": {"a": csv(features, labels)}}) == 0
    assert train(sparse, "linear-learner", given, {"train": {"a": records}}, "application/x-recordio-protobuf") == 0
    assert answers(sparse, test)["label"] == pytest.approx(answers(dense, test)["label"])


@pytest.fixture(scope="module")
def pictures() -> Split:
    digits = load_digits()
    return train_test_split(digits.images * 16, digits.target, random_state=0)


@pytest.fixture(scope="module")
def plain_accuracy(pictures: Split) -> float:
    """Of a support vector machine, which is hard to beat on so few images and needs no second."""
    images, test, labels, truth = pictures
    plain = SVC().fit(images.reshape(len(images), -1) / 255, labels)
    return plain.score(test.reshape(len(test), -1) / 255, truth)


@pytest.mark.parametrize("form", ["records", "lists"])
def test_images_are_learnt_from_records_and_from_lists(tmp_path, form, pictures, plain_accuracy):
    images, test, labels, truth = pictures
    channels: dict[str, dict[str, bytes]] = {}
    for name, shown, numbers in (("train", images, labels), ("validation", test, truth)):
        files = {f"{index}.png": _png(picture) for index, picture in enumerate(shown)}
        if form == "lists":
            lines = [f"{index}\t{label}\t{index}.png" for index, label in enumerate(numbers)]
            channels |= {name: files, f"{name}_lst": {"all.lst": "\n".join(lines).encode()}}
        else:
            frames = [labelled_image(n, file) for n, file in zip(numbers, files.values(), strict=True)]
            channels[name] = {"all.rec": b"".join(frames)}
    given = {
        "num_layers": 18, "image_shape": "1,8,8", "num_classes": 10, "num_training_samples": len(images),
        "mini_batch_size": 32, "epochs": 5, "learning_rate": 0.1,
    }  # fmt: skip
    assert train(tmp_path, "image-classification", given, channels, "application/x-image") == 0
    accuracy = (answers(tmp_path, test.astype(np.float32), "images")["probabilities"].argmax(axis=1) == truth).mean()
    assert accuracy >= plain_accuracy - 0.02
    assert accuracy > 0.95


def test_images_of_a_manifest_have_classes_as_numbers_or_texts_and_options_that_count(tmp_path, pictures, capsys):
    images, _, labels, _ = pictures
    files = {f"p/{index}.png": _png(picture) for index, picture in enumerate(images[:200])}
    lines = [
        json.dumps({"source-ref": f"s3://bucket/{name}", "class": str(label) if label % 2 else int(label)})
        for name, label in zip(files, labels[:200], strict=True)
    ]
    given = {"image_shape": "1,8,8", "num_classes": 10, "num_training_samples": 200, "epochs": 2, "top_k": 3}
    roots = {"none": tmp_path / "none", "crop": tmp_path / "crop", "wrong": tmp_path / "wrong"}
    for kind, root in roots.items():
        told = lines if kind != "wrong" else ['{"source-ref": "s3://bucket/p/0.png", "class": "cat"}']
        manifest = root / "input" / "data" / "train-manifest"
        manifest.parent.mkdir(parents=True)
        manifest.write_text("\n".join(told))
    more = {"augmentation_type": "crop", "use_pretrained_model": 1}
    assert train(roots["none"], "image-classification", given, {"train": files}) == 0
    assert train(roots["crop"], "image-classification", given | more, {"train": files}) == 0
    log = capsys.readouterr().out
    assert "augmentation_type crop is here: shift" in log
    assert "use_pretrained_model: there is no network here" in log
    plain, moved = (answers(roots[kind], images[:200].astype(np.float32), "images") for kind in ("none", "crop"))
    assert not np.array_equal(plain["probabilities"], moved["probabilities"]), "moved images make another network"
    shares = re.findall(r"Train-top_k_accuracy_3=(.*)", log)
    best = np.argsort(-plain["probabilities"], axis=1)[:, :3]
    assert float(shares[0]) == pytest.approx((best == labels[:200, None]).any(axis=1).mean(), abs=0.01)
    assert train(roots["wrong"], "image-classification", given, {"train": files}) == 2
    assert "The line of the image 'p/0.png' in the manifest has no class" in failure(roots["wrong"])


@pytest.mark.parametrize(
    ("name", "given", "content", "reason"),
    [
        ("xgboost", {}, b"1,2\n", "'num_round' is missing"),
        ("xgboost", {"num_round": "two"}, b"1,2\n", "which is no number"),
        ("xgboost", {"num_round": 1, "objective": "binary:logistic"}, b"7,2\n8,3\n", "XGBoost refuses the job: "),
        ("xgboost", {"num_round": 1, "etaa": 0.1}, b"1,2\n", "Extraneous hyperparameter found: etaa. Is it 'eta'?"),
        ("xgboost", {"num_round": 1, "eta": 7}, b"1,2\n", "'eta' is 7. Give a number from 0 to 1."),
        ("xgboost", {"num_round": 1, "objective": "binary:logistc"}, b"1,2\n", "no value of the hyper-parameter 'obj"),
        ("xgboost", {"num_round": 1, "objective": "multi:softmax"}, b"1,2\n", "needs the hyper-parameter 'num_class'"),
        ("linear-learner", {"predictor_type": "binary_classifier"}, b"y,x\n1,2\n", "no number"),
        ("linear-learner", {"predictor_type": "regressor", "feature_dim": 2}, b"1,2\n", "'train' have 1 features"),
        ("linear-learner", {"predictor_type": "binary_classifier"}, b"2,1\n1,2\n", "learns from the labels 0 to 1"),
        ("k-means", {"k": 9}, b"1,2\n", "cannot make 9 clusters"),
        ("pca", {"num_components": 9}, b"1,2\n3,4\n", "do not have 9 components"),
        ("knn", {"k": 3, "predictor_type": "other"}, b"1,2\n", "Give one of classifier, regressor"),
        ("lda", {}, b"1,2\n", "There is no algorithm 'lda'"),
    ],
)
def test_what_cannot_be_learnt_is_told_as_the_clients_error(tmp_path, name, given, content, reason):
    assert train(tmp_path, name, given, {"train": {"a.csv": content}}) == 2
    assert failure(tmp_path).startswith("ClientError: ")
    assert reason in failure(tmp_path)


def test_without_a_channel_to_learn_from_nothing_is_learnt(tmp_path):
    assert train(tmp_path, "xgboost", {"num_round": 1}, {"validation": {"a.csv": b"1,2\n"}}) == 2
    assert failure(tmp_path).startswith("ClientError: Missing required channel: train")


def test_every_hyper_parameter_that_an_algorithm_reads_is_one_of_its_names():
    for algorithm, module in MODULES.items():
        source = find_spec(f"modelyard.algorithms.contract.builtin.{module}").loader.get_source(None)
        read = re.findall(r"job\.(?:text|number|integer)\(\s*\"(\w+)\"", source)
        check_names(algorithm, dict.fromkeys([*read, "_tuning_objective_metric"], ""))


@pytest.mark.parametrize("content", [b"junk, no records", struct.pack("<II", 0xCED7230A, 99), b"\x0a\x23\xd7"])
def test_damaged_records_are_refused(tmp_path, content):
    given = {"k": 2}
    assert train(tmp_path, "k-means", given, {"train": {"a": content}}, "application/x-recordio-protobuf") == 2
    assert "no RecordIO" in failure(tmp_path)


def _parquet(features: np.ndarray, labels: np.ndarray) -> bytes:
    content = io.BytesIO()
    columns = {"label": labels, **{f"x{n}": column for n, column in enumerate(features.T)}}
    pyarrow.parquet.write_table(pa.table(columns), content)
    return content.getvalue()


def _libsvm(features: np.ndarray, labels: np.ndarray) -> bytes:
    content = io.BytesIO()
    dump_svmlight_file(features, labels, content, zero_based=True)
    return content.getvalue()


def _png(picture: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(content, "png")
    return content.getvalue()
