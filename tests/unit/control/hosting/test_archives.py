"""Archives and images of SageMaker: what they become here, and what is refused."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from modelyard.control.hosting.archives import prepare, unpack
from modelyard.control.hosting.errors import ModelArchiveInvalidError
from modelyard.control.hosting.images import Serving, meaning_of
from modelyard.types.serving.answers import AnswerForm
from modelyard.types.serving.hosting import ModelContainer

XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
SKLEARN = "492215442770.dkr.ecr.eu-central-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"


def folder_of(path: Path, **files: str) -> Path:
    folder = path / "bundle"
    for name, content in files.items():
        target = folder / name.replace("__", "/").replace("_", ".")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
    return folder


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("image", "serving", "answers"),
    [
        (XGBOOST, Serving.ARTIFACT, AnswerForm.VALUE),
        ("811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:latest", Serving.ARTIFACT, AnswerForm.VALUE),
        ("382416733822.dkr.ecr.us-east-1.amazonaws.com/linear-learner:1", Serving.ARTIFACT, AnswerForm.SCORE),
        ("390948362332.dkr.ecr.cn-north-1.amazonaws.com.cn/knn:1", Serving.ARTIFACT, AnswerForm.PREDICTED_LABEL),
        ("522234722520.dkr.ecr.us-east-1.amazonaws.com/randomcutforest:1", Serving.ARTIFACT, AnswerForm.SCORES),
        ("123456789012.dkr.ecr.us-east-1.amazonaws.com/lightgbm:4", Serving.ARTIFACT, AnswerForm.COLUMNS),
        (
            "123456789012.dkr.ecr.us-east-1.amazonaws.com/catboost-regression-model:1",
            Serving.ARTIFACT,
            AnswerForm.COLUMNS,
        ),
        (SKLEARN, Serving.HANDLERS, AnswerForm.NAMED),
        ("763104351884.dkr.ecr.us-west-2.amazonaws.com/pytorch-inference:2.1-cpu", Serving.HANDLERS, AnswerForm.NAMED),
        ("111122223333.dkr.ecr.us-west-2.amazonaws.com/our-scorer:3", Serving.IMAGE, AnswerForm.NAMED),
        ("registry.example.com/xgboost:1", Serving.IMAGE, AnswerForm.NAMED),
    ],
)
def test_the_repository_says_what_an_image_means_whatever_account_and_region(
    image: str, serving: Serving, answers: AnswerForm
):
    meaning = meaning_of(image)
    assert (meaning.serving, meaning.answers) == (serving, answers)


@pytest.mark.parametrize(("objective", "form"), [("multi:softmax", "label"), ("multi:softprob", "value")])
def test_an_xgboost_archive_is_its_model_alone(tmp_path: Path, objective: str, form: str):
    folder = folder_of(tmp_path, other_txt="x")
    (folder / "xgboost-model").write_text(f'{{"objective": "{objective}"}}')
    assert prepare(folder, ModelContainer(image=XGBOOST)) == AnswerForm(form)
    assert names(folder) == {"xgboost-model"}


@pytest.mark.parametrize("environment", [{}, {"SAGEMAKER_PROGRAM": "inference.py"}])
def test_handlers_are_found_and_get_their_packages(tmp_path: Path, environment: dict[str, str]):
    folder = folder_of(tmp_path, code__inference_py="", code__requirements_txt="scipy\n", model_joblib="x")
    prepare(folder, ModelContainer(image=SKLEARN, environment=environment))
    assert json.loads((folder / "handlers.json").read_text()) == {"program": "code/inference.py"}
    assert (folder / "requirements.txt").read_text().split() == ["scipy", "numpy"]
    assert "model.joblib" in names(folder)


def test_any_other_image_runs_with_the_archive_beside_it(tmp_path: Path):
    folder = folder_of(tmp_path, weights_bin="x")
    prepare(folder, ModelContainer(image="registry.example.com/scorer:1", environment={"A": "b"}))
    program = json.loads((folder / "image.json").read_text())
    assert program["command"] == ["serve"]
    assert (program["image"], program["environment"]) == ("registry.example.com/scorer:1", {"A": "b"})
    assert "weights.bin" in names(folder)


@pytest.mark.parametrize(
    ("image", "environment", "words"),
    [
        (XGBOOST, {}, "holds a.txt, b.txt, and no 'xgboost-model'"),
        (SKLEARN, {}, "no script with handlers"),
        (SKLEARN, {"SAGEMAKER_PROGRAM": "other.py"}, "which SAGEMAKER_PROGRAM names"),
    ],
)
def test_an_archive_without_what_its_image_serves_is_refused(
    tmp_path: Path, image: str, environment: dict[str, str], words: str
):
    folder = folder_of(tmp_path, a_txt="x", b_txt="y")
    with pytest.raises(ModelArchiveInvalidError, match=words):
        prepare(folder, ModelContainer(image=image, environment=environment))


def test_what_is_no_archive_or_leaves_its_folder_is_refused(tmp_path: Path):
    junk = tmp_path / "junk"
    junk.write_bytes(b"no archive")
    outside = tmp_path / "outside"
    with tarfile.open(outside, "w:gz") as tar:
        member = tarfile.TarInfo("../escaped")
        member.size = 1
        tar.addfile(member, io.BytesIO(b"x"))
    for archive in (junk, outside):
        with pytest.raises(ModelArchiveInvalidError, match="cannot be unpacked"):
            unpack(archive, tmp_path / "target")
    assert not (tmp_path / "escaped").exists()
