"""References in values: "${parameters.depth}", "${steps.train.outputs.figures.r2}"."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from modelyard.control.pipelines.errors import PipelineInvalidError

PARAMETERS, STEPS, OUTPUTS = "parameters", "steps", "outputs"
_FORM = re.compile(r"\$\$\{|\$\{([^{}]*)\}")
_STEP_PARTS = 4


@dataclass(frozen=True, slots=True)
class Reference:
    """What a value takes from elsewhere.

    Attributes:
        step: whose output; "" for a parameter.
        name: of the output or the parameter.
        path: into it.
    """

    step: str
    name: str
    path: tuple[str, ...] = ()

    def __str__(self) -> str:
        begin = (STEPS, self.step, OUTPUTS) if self.step else (PARAMETERS,)
        return f"${{{'.'.join((*begin, self.name, *self.path))}}}"


def parse(words: str, field: str) -> Reference:
    """What stands between the braces, read.

    Raises:
        PipelineInvalidError: it has neither of the two forms.
    """
    parts = tuple(words.strip().split("."))
    if all(parts):
        if parts[0] == PARAMETERS and len(parts) > 1:
            return Reference("", parts[1], parts[2:])
        if parts[0] == STEPS and len(parts) >= _STEP_PARTS and parts[2] == OUTPUTS:
            return Reference(parts[1], parts[3], parts[4:])
    raise PipelineInvalidError(
        f"'${{{words[:80]}}}' is no reference",
        hint="Write ${parameters.NAME} or ${steps.STEP.outputs.NAME}; $${ stands for the characters themselves.",
        field=field,
    )


def sole(value: object, field: str) -> Reference | None:
    """The reference that a value wholly is, if it is one."""
    match = _FORM.fullmatch(value) if isinstance(value, str) else None
    return None if match is None or match[1] is None else parse(match[1], field)


def find(value: object, field: str) -> Iterator[tuple[str, Reference]]:
    """Every reference in a value, with the path of the field that it stands in."""
    if isinstance(value, str):
        for match in _FORM.finditer(value):
            if match[1] is not None:
                yield field, parse(match[1], field)
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from find(each, f"{field}.{name}")
    elif isinstance(value, list | tuple):
        for place, each in enumerate(value):
            yield from find(each, f"{field}.{place}")


def resolve(value: Any, look: Callable[[Reference], Any], field: str = "") -> Any:
    """The value with all that it refers to in place; a reference that stands alone keeps its type."""
    if isinstance(value, str):
        alone = sole(value, field)
        if alone is not None:
            return look(alone)
        return _FORM.sub(lambda match: "${" if match[1] is None else _text(look(parse(match[1], field))), value)
    if isinstance(value, Mapping):
        return {name: resolve(each, look, f"{field}.{name}") for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [resolve(each, look, f"{field}.{place}") for place, each in enumerate(value)]
    return value


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
