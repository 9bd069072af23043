"""Models over texts and words, whose callers write and read SageMaker's BlazingText format.

A model says so by the names of its tensors: an ONNX file carries nothing else.
"""

from modelyard.types.signatures import DataType, Signature, TensorSpec

SENTENCE, WORDS = "sentence", "words"
LABELS, PROBABILITIES = "label", "prob"
VECTOR, WORD = "vector", "word"


def classifier_signature(classes: int) -> Signature:
    """Sentences -> all labels, the likeliest first, and their probabilities."""
    return Signature(
        inputs=(TensorSpec(name=SENTENCE, datatype=DataType.BYTES, shape=(-1,)),),
        outputs=(
            TensorSpec(name=LABELS, datatype=DataType.BYTES, shape=(-1, classes)),
            TensorSpec(name=PROBABILITIES, datatype=DataType.FP32, shape=(-1, classes)),
        ),
    )


def vectors_signature(width: int) -> Signature:
    """Words -> their vectors, and the words again."""
    return Signature(
        inputs=(TensorSpec(name=WORDS, datatype=DataType.BYTES, shape=(-1,)),),
        outputs=(
            TensorSpec(name=VECTOR, datatype=DataType.FP32, shape=(-1, width)),
            TensorSpec(name=WORD, datatype=DataType.BYTES, shape=(-1,)),
        ),
    )


def takes_texts(signature: Signature) -> bool:
    """True for a model with one of these signatures."""
    names = tuple(spec.name for spec in (*signature.inputs, *signature.outputs))
    return names in ((SENTENCE, LABELS, PROBABILITIES), (WORDS, VECTOR, WORD))
