"""What an image is here: one of SageMaker's own repositories, whatever its account and region, or an image to run.

Source: Amazon SageMaker Developer Guide, "Docker Registry Paths and Example Code".
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from modelyard.types.serving.answers import AnswerForm

_ECR = re.compile(r"\d{12}\.dkr\.ecr(?:-fips)?\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?/(?P<repository>[^:@]+)(?:[:@].*)?")


class Serving(StrEnum):
    """How a container's work is done here: by the runtimes of data formats, by script handlers, by the image itself."""

    ARTIFACT = "artifact"
    HANDLERS = "handlers"
    IMAGE = "image"


@dataclass(frozen=True, slots=True)
class ImageMeaning:
    """What to serve with, and how answers are written."""

    serving: Serving
    answers: AnswerForm = AnswerForm.NAMED


_ALGORITHMS = {
    "xgboost": AnswerForm.VALUE,
    "sagemaker-xgboost": AnswerForm.VALUE,
    "linear-learner": AnswerForm.SCORE,
    "factorization-machines": AnswerForm.SCORE,
    "knn": AnswerForm.PREDICTED_LABEL,
    "image-classification": AnswerForm.PROBABILITIES,
    "kmeans": AnswerForm.NAMED,
    "pca": AnswerForm.PROJECTIONS,
    "randomcutforest": AnswerForm.SCORES,
    "blazingtext": AnswerForm.NAMED,
    "forecasting-deepar": AnswerForm.NAMED,
}
_BOOSTED = re.compile(r"(?:sagemaker-)?(?:lightgbm|catboost)(?:-(?:classification|regression)-model)?")
_FRAMEWORKS = re.compile(r"(?:sagemaker-)?(?:scikit-learn|pytorch|tensorflow|mxnet|huggingface|autogluon)[a-z0-9-]*")


def meaning_of(image: str) -> ImageMeaning:
    """What the image's name says."""
    found = _ECR.fullmatch(image)
    if found is None:
        return ImageMeaning(Serving.IMAGE)
    repository = found["repository"].rpartition("/")[2]
    if repository in _ALGORITHMS:
        return ImageMeaning(Serving.ARTIFACT, _ALGORITHMS[repository])
    if _BOOSTED.fullmatch(repository):
        return ImageMeaning(Serving.ARTIFACT, AnswerForm.COLUMNS)
    return ImageMeaning(Serving.HANDLERS if _FRAMEWORKS.fullmatch(repository) else Serving.IMAGE)
