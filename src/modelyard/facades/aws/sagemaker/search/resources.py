"""What Search knows of: resources whose Describe operation says what a record holds."""

from modelyard.facades.aws.sagemaker.hosting import endpoints, models
from modelyard.facades.aws.sagemaker.hosting.endpoints import EndpointOperations
from modelyard.facades.aws.sagemaker.hosting.models import ModelOperations
from modelyard.facades.aws.sagemaker.search.operations import Searched
from modelyard.facades.aws.sagemaker.training import operations as training
from modelyard.facades.aws.sagemaker.training.operations import TrainingJobOperations


def searched(jobs: TrainingJobOperations, made: ModelOperations, served: EndpointOperations) -> dict[str, Searched]:
    """The resources by AWS's name of the type."""
    return {
        "TrainingJob": Searched(
            kind=training.KIND,
            name="TrainingJobName",
            shape="TrainingJob",
            describe=jobs.describe_training_job,
            path=("TrainingJob",),
        ),
        "Model": Searched(
            kind=models.KIND, name="ModelName", shape="Model", describe=made.describe_model, path=("Model", "Model")
        ),
        "Endpoint": Searched(
            kind=endpoints.KIND,
            name="EndpointName",
            shape="Endpoint",
            describe=served.describe_endpoint,
            path=("Endpoint",),
        ),
    }
