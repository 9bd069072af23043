"""Which program an image of AWS's means here: names of any account and region are known by their repository."""

import re
from dataclasses import dataclass

from modelyard.algorithms.contract.catalog import ALGORITHMS
from modelyard.control.jobs.contract.errors import ContractInvalidError

_ECR = re.compile(
    r"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?/(?P<repository>[a-z0-9._/-]+?)(?::[\w.-]+)?(?:@sha256:[0-9a-f]{64})?"
)
_SCRIPTS = {
    "sagemaker-scikit-learn": "sagemaker_sklearn_container.training:main",
    "sagemaker-xgboost": "sagemaker_xgboost_container.training:main",
    "pytorch-training": "sagemaker_pytorch_container.training:main",
    "sagemaker-pytorch": "sagemaker_pytorch_container.training:main",
    "tensorflow-training": "sagemaker_tensorflow_container.training:main",
    "huggingface-pytorch-training": "sagemaker_pytorch_container.training:main",
    "huggingface-tensorflow-training": "sagemaker_tensorflow_container.training:main",
    "sagemaker-tensorflow": "sagemaker_tensorflow_container.training:main",
    "sagemaker-tensorflow-scriptmode": "sagemaker_tensorflow_container.training:main",
    "mxnet-training": "sagemaker_mxnet_container.training:main",
    "sagemaker-mxnet": "sagemaker_mxnet_container.training:main",
    "sagemaker-base-python": "",
    "sagemaker-distribution-prod": "",
}
_KNOWN = ("autogluon", "ipinsights", "lda", "ntm", "object-detection", "object2vec", "semantic", "seq2seq", "topic")


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What runs: a built-in algorithm, a script (then `framework` is told to it), or the image itself."""

    algorithm: str = ""
    is_script: bool = False
    framework: str = ""


def repositories() -> list[str]:
    """The repositories of AWS's whose images are carried out here, by name."""
    return sorted({*ALGORITHMS, *_SCRIPTS})


def program_of(image: str, *, has_script: bool) -> Program:
    """What an image means.

    Args:
        image: its reference.
        has_script: the job brings a script, or a program of its own in place of the image's.

    Raises:
        ContractInvalidError: it is one of AWS's algorithms that is not built in here.
    """
    found = _ECR.fullmatch(image)
    repository = found["repository"] if found is not None else ""
    if has_script and repository in _SCRIPTS:
        return Program(is_script=True, framework=_SCRIPTS[repository])
    if repository in ALGORITHMS:
        return Program(algorithm=ALGORITHMS[repository])
    if repository in _SCRIPTS:
        raise ContractInvalidError(
            f"The image '{repository}' runs scripts, and the job names none",
            hint="Set the hyper-parameters sagemaker_program and sagemaker_submit_directory, or an entry point.",
            field="hyperparameters.sagemaker_program",
        )
    if any(repository.startswith(word) for word in _KNOWN):
        raise ContractInvalidError(
            f"The algorithm '{repository}' is not built in here",
            hint=f"There are {', '.join(sorted(set(ALGORITHMS)))}; or push an image of your own that does it.",
            field="image",
        )
    return Program()
