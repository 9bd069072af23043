"""What the servers are asked to do."""

from dataclasses import dataclass
from enum import StrEnum


class Artifact(StrEnum):
    """The file that a server is given."""

    ESTIMATOR = "estimator"  # the framework's own: scikit-learn, as joblib (peers) or skops (Modelyard)
    ONNX = "onnx"


@dataclass(frozen=True)
class Work:
    """One workload.

    Attributes:
        name: as in the report.
        model: folder of the model under the cache; "mix" is twenty of them behind one server.
        rows: rows in a request.
        artifact: what every server loads.
        title: a line for the report.
        connections: numbers of connections that tell something; large requests fill a machine with few.
    """

    name: str
    model: str
    rows: int
    artifact: Artifact
    title: str
    connections: tuple[int, ...] = (1, 16, 64)


MIX = "mix"
MIX_SIZE = 20

ALL = {
    work.name: work
    for work in (
        Work("W1", "linear", 1, Artifact.ESTIMATOR, "logistic regression, 30 features, 1 row"),
        Work("W2", "forest", 1, Artifact.ESTIMATOR, "random forest, 100 trees, 1 row"),
        Work("W3", "forest", 100, Artifact.ESTIMATOR, "random forest, 100 trees, 100 rows", (16,)),
        Work("W4", "cnn", 1, Artifact.ONNX, "small convolutional network, one image of 28 x 28"),
        Work("W5", MIX, 1, Artifact.ONNX, f"{MIX_SIZE} linear models behind one server, skewed popularity, 1 row"),
        Work("W6", "forest", 1, Artifact.ONNX, "the forest of W2 as an ONNX file for everybody, 1 row"),
    )
}
