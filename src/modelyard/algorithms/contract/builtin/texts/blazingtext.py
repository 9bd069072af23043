"""BlazingText by its modes: a classifier of sentences, or vectors of words.

Source: docs.aws.amazon.com/sagemaker/latest/dg/blazingtext_hyperparameters.html.
"""

from modelyard.algorithms.contract.builtin.texts import sentence_classifier, word_vectors
from modelyard.algorithms.contract.context import BuiltInJob
from modelyard.algorithms.errors import HyperparameterInvalidError

_SUPERVISED = "supervised"
_MODES = (_SUPERVISED, "skipgram", "cbow", "batch_skipgram")


def train(job: BuiltInJob) -> None:
    """Train what the mode says on the channel `train`."""
    mode = job.text("mode", choices=_MODES)
    if job.text("subwords", "false").lower() == "true":
        raise HyperparameterInvalidError(
            "Vectors of parts of words (subwords) are not made here", hint="Leave it out.", field="subwords"
        )
    if mode == _SUPERVISED:
        sentence_classifier.train(job)
    else:
        word_vectors.train(job)
