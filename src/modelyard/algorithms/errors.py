"""What can be wrong with a job: its names, its hyper-parameters, its data."""

from modelyard.errors import InternalError, InvalidInputError, NotFoundError


class AlgorithmNotFoundError(NotFoundError):
    """No built-in algorithm of that name."""

    code = "algorithm_not_found"


class HyperparameterInvalidError(InvalidInputError):
    """A hyper-parameter that the algorithm does not have, or a value of the wrong type or out of its range."""

    code = "hyperparameter_invalid"


class JobFileInvalidError(InvalidInputError):
    """`job.json` or `result.json` is missing or damaged."""

    code = "job_file_invalid"


class ChannelInvalidError(InvalidInputError):
    """A channel that the algorithm needs is absent, or holds another kind of data."""

    code = "channel_invalid"


class TargetNotFoundError(InvalidInputError):
    """The table has no column of the target's name."""

    code = "target_not_found"


class TargetInvalidError(InvalidInputError):
    """The target cannot be learnt: constant, all missing, or of a kind that this algorithm does not predict."""

    code = "target_invalid"


class ColumnsInvalidError(InvalidInputError):
    """No column is left to learn from, or a model's columns are not in the table."""

    code = "columns_invalid"


class TooFewRowsError(InvalidInputError):
    """Too few rows to train on, or none in the held-out part to measure on."""

    code = "too_few_rows"


class TorchMissingError(InvalidInputError):
    """A convolutional network was asked for and PyTorch is not installed."""

    code = "torch_missing"


class ArtifactDiffersError(InternalError):
    """The ONNX form answers otherwise than the model that was trained."""

    code = "artifact_differs"


class NoRowAnsweredError(InvalidInputError):
    """A batch job in which every row failed: it makes no dataset of errors alone."""

    code = "no_row_answered"
