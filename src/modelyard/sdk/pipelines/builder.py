"""A pipeline written in Python: makes the document that `client.pipelines.create` sends, the same as one in YAML.

Example:
    >>> pipeline = Pipeline("houses")
    >>> depth = pipeline.parameter("max_depth", 4)
    >>> rows = pipeline.step("rows", "dataset", dataset="houses")
    >>> train = pipeline.step("train", "training", algorithm="boosted-trees-regression", data=rows.dataset,
    ...                       target="price", model="houses", hyperparameters={"max_depth": depth}, retries=2)
    >>> good = pipeline.step("good", "condition", value=train.figures["r2"], at_least=0.7)
    >>> pipeline.step("champion", "register", version=train.model, alias="champion", when=good)
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from modelyard.errors import AlreadyExistsError
from modelyard.types.pipelines.definitions import RunIf, ValueType

_TYPES: tuple[tuple[type, ValueType], ...] = (
    (bool, ValueType.BOOLEAN),
    (int, ValueType.INTEGER),
    (float, ValueType.NUMBER),
    (str, ValueType.TEXT),
    (list, ValueType.LIST),
    (dict, ValueType.MAPPING),
)


class NameTakenError(AlreadyExistsError):
    """Two steps or parameters of a pipeline have the same name."""

    code = "pipeline_name_taken"


class Value:
    """A parameter or an output that other steps may take; `value["r2"]` is a part of it."""

    def __init__(self, words: str) -> None:
        self._words = words

    def __getitem__(self, part: str) -> "Value":
        return Value(f"{self._words}.{part}")

    def __str__(self) -> str:
        return f"${{{self._words}}}"


class Step:
    """A step that was added; its outputs are its attributes: `step.model`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, output: str) -> Value:
        if output.startswith("_"):
            raise AttributeError(output)
        return Value(f"steps.{self.name}.outputs.{output}")


class Pipeline:
    """Collects parameters, steps and triggers; `document` is what comes of it.

    Args:
        name: of the pipeline.
        description: for people.
    """

    def __init__(self, name: str, description: str = "") -> None:
        self._name = name
        self._description = description
        self._parameters: dict[str, Any] = {}
        self._steps: dict[str, Any] = {}
        self._triggers: dict[str, Any] = {}

    def parameter(
        self, name: str, default: Any = None, *, type: ValueType | None = None, description: str = ""
    ) -> Value:
        """A value that each run may choose. `type` is that of the default if left out, and text without one.

        Raises:
            NameTakenError: there is a parameter of this name.
        """
        if name in self._parameters:
            raise NameTakenError(f"There are two parameters '{name}'", hint="Give one another name.")
        found = type or next((each for kind, each in _TYPES if isinstance(default, kind)), ValueType.TEXT)
        self._parameters[name] = {"type": found.value, "default": default, "description": description}
        return Value(f"parameters.{name}")

    def step(
        self,
        name: str,
        kind: str,
        *,
        when: Step | Sequence[Step] = (),
        unless: Step | Sequence[Step] = (),
        after: Step | Sequence[Step] = (),
        run_if: RunIf = RunIf.COMPLETED,
        retries: int = 0,
        cache: bool = True,
        **inputs: Any,
    ) -> Step:
        """Add a step.

        Args:
            name: of the step.
            kind: what it does: `client.pipelines.kinds()` lists kinds with their inputs and outputs.
            when: condition steps that must hold.
            unless: condition steps that must not hold.
            after: steps that it waits for without taking anything from them.
            run_if: what must have become of all that it waits for.
            retries: further attempts after one that failed.
            cache: an earlier result with the same content may stand in.
            inputs: values, parameters, outputs of other steps, also inside of lists and mappings.

        Raises:
            NameTakenError: there is a step of this name.
        """
        if name in self._steps:
            raise NameTakenError(f"There are two steps '{name}'", hint="Give one another name.")
        self._steps[name] = {
            "kind": kind,
            "inputs": {each: _plain(value) for each, value in inputs.items() if value is not None},
            "when": _names(when),
            "unless": _names(unless),
            "after": _names(after),
            "run_if": run_if.value,
            "retries": retries,
            "cache": cache,
        }
        return Step(name)

    def trigger(
        self, *, schedule: str = "", datasets: Mapping[str, Value | None] | None = None, monitors: Iterable[str] = ()
    ) -> None:
        """What starts runs by itself.

        Args:
            schedule: cron expression, in UTC.
            datasets: each new version of these; the parameter that gets it, or None.
            monitors: each drift that one of these finds.
        """
        wanted = [
            {"dataset": name, "parameter": str(value)[2:-1].partition(".")[2] if value is not None else ""}
            for name, value in (datasets or {}).items()
        ]
        self._triggers = {"schedule": schedule, "datasets": wanted, "monitors": [*monitors]}

    def document(self) -> dict[str, Any]:
        """The document, as a YAML file would have it."""
        return {
            "name": self._name,
            "description": self._description,
            "parameters": self._parameters,
            "steps": self._steps,
            "triggers": self._triggers,
        }


def _plain(value: Any) -> Any:
    if isinstance(value, Value):
        return str(value)
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def _names(steps: Step | Sequence[Step]) -> list[str]:
    return [step.name for step in ([steps] if isinstance(steps, Step) else steps)]
