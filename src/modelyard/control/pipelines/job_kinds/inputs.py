"""Inputs that several kinds of steps have in common."""

from collections.abc import Mapping

from modelyard.types.pipelines.definitions import InputSpec, ValueType

ALGORITHM = InputSpec(
    name="algorithm", type=ValueType.TEXT, description="Name of a built-in algorithm.", is_required=True
)
DATA = InputSpec(name="data", type=ValueType.DATASET, description="Dataset to learn from.", is_required=True)
TARGET = InputSpec(name="target", type=ValueType.TEXT, description="Column to predict, for tables.")
SEED = InputSpec(name="seed", type=ValueType.INTEGER, description="Seeds every random choice.")
HYPERPARAMETERS = InputSpec(
    name="hyperparameters", type=ValueType.MAPPING, description="By name.", item="hyperparameter"
)
RESOURCES = InputSpec(
    name="resources",
    type=ValueType.MAPPING,
    description="Limits of the job, as in a request for such a job.",
    is_content=False,
)
SCHEDULE = InputSpec(
    name="schedule",
    type=ValueType.MAPPING,
    description="Queue, priority, spot, ..., as in a request for such a job.",
    is_content=False,
)
PROGRAM = (
    InputSpec(name="code", type=ValueType.TEXT, description="Digest of a snapshot, or a folder beside the document."),
    InputSpec(name="entry_point", type=ValueType.TEXT, description="Python file of the snapshot that is run."),
    InputSpec(name="image", type=ValueType.TEXT, description="Image that is run instead."),
    InputSpec(name="command", type=ValueType.LIST, description="Program and arguments in the image."),
    InputSpec(name="arguments", type=ValueType.LIST, description="Handed to the entry point."),
    InputSpec(name="requirements", type=ValueType.TEXT, description="Content of a requirements file."),
    InputSpec(name="metrics", type=ValueType.LIST, description="Metrics to read from the output: {name, regex}."),
)
"""Code of people's own: a snapshot or an image, and how its output is read."""


def channel(ref: str) -> dict[str, object]:
    """A dataset reference ("houses:3") as a channel of a request."""
    name, _, number = ref.partition(":")
    return {"dataset": name, "number": int(number)} if number else {"dataset": name}


def channels(refs: Mapping[str, str]) -> dict[str, dict[str, object]]:
    """The same by role."""
    return {role: channel(ref) for role, ref in refs.items()}
