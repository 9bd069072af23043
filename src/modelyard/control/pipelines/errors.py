"""What can be wrong with pipelines and their runs."""

from modelyard.errors import AlreadyExistsError, InvalidInputError, InvalidStateError, NotFoundError


class PipelineInvalidError(InvalidInputError):
    """The definition cannot be run: a reference, a type, the order or a trigger does not hold."""

    code = "pipeline_invalid"


class ParameterInvalidError(InvalidInputError):
    """A run's parameter that the pipeline does not have, lacks, or has of another type."""

    code = "pipeline_parameter_invalid"


class PipelineExistsError(AlreadyExistsError):
    """The name is taken."""

    code = "pipeline_exists"


class PipelineNotFoundError(NotFoundError):
    """No pipeline of this name in the project."""

    code = "pipeline_not_found"


class PipelineRunNotFoundError(NotFoundError):
    """No run of this id in the project."""

    code = "pipeline_run_not_found"


class PipelineStepNotFoundError(NotFoundError):
    """The run has no step of this name."""

    code = "pipeline_step_not_found"


class PipelineStepNotWaitingError(InvalidStateError):
    """The step waits for nobody's decision."""

    code = "pipeline_step_not_waiting"


class OperationsMissingError(InvalidStateError):
    """The Jobs application runs alone and was not told where Operations is."""

    code = "operations_missing"
