"""Models and endpoints as SageMaker's programs describe them, as far as they are carried out."""

from dataclasses import dataclass, field
from enum import StrEnum

from modelyard.types.serving.answers import AnswerForm


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCapture:
    """What is written of requests and answers into files of JSON Lines.

    Attributes:
        share: of the requests, above 0.
        destination: s3:// address that the files' names begin with.
        modes: INPUT and OUTPUT, or one of them.
        csv_types, json_types: content types whose bodies stand in the lines as they are; others in base64.
    """

    share: float
    destination: str
    modes: tuple[str, ...] = ("INPUT", "OUTPUT")
    csv_types: tuple[str, ...] = ("text/csv",)
    json_types: tuple[str, ...] = ("application/json",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelContainer:
    """What serves, and what it serves.

    Attributes:
        image: reference of an image; an address of ECR stands for what its repository's name says.
        data_url: s3:// address of a model.tar.gz; empty: the image has everything. Of models by target: of the folder.
        environment: variables of the container.
        hostname: its name among several containers.
    """

    image: str
    data_url: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    hostname: str = ""


class CompositionMode(StrEnum):
    """How an endpoint is made of several models.

    TARGETS: every object below an address is a model, loaded when a request first names it ("MultiModel").
    SERIAL: the answer of a container is the request of the next.
    DIRECT: a request names the container that it is for.
    """

    TARGETS = "targets"
    SERIAL = "serial"
    DIRECT = "direct"


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """What an endpoint of several models consists of; of TARGETS there is one container."""

    mode: CompositionMode
    containers: tuple[ModelContainer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedModel:
    """A model. `version` and `answers` are known once it was registered here, `failure` once that failed.

    Attributes:
        version: of our registry: "churn:3".
        answers: how its container writes answers.
        failure: why there is no version, in a sentence.
    """

    container: ModelContainer
    version: str = ""
    answers: AnswerForm = AnswerForm.NAMED
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedVariant:
    """A production variant of an endpoint configuration.

    Attributes:
        instances: how many replicas.
        max_concurrency: of a serverless one; None: it has instances.
        provisioned: replicas of a serverless one that stay.
    """

    name: str
    model: str
    weight: float = 1.0
    instances: int = 1
    max_concurrency: int | None = None
    provisioned: int = 0
