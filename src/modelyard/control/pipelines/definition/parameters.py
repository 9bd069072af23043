"""The parameters of one run: what was given, filled up with defaults."""

from collections.abc import Mapping
from typing import Any

from modelyard.control.pipelines.definition.typing import is_of, with_article
from modelyard.control.pipelines.errors import ParameterInvalidError
from modelyard.types.pipelines.definitions import Parameter


def complete(parameters: Mapping[str, Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """Every parameter's value.

    Raises:
        ParameterInvalidError: one that there is not, one without a value, or a value of another type.
    """
    for name in given:
        if name not in parameters:
            known = ", ".join(parameters) or "none"
            raise ParameterInvalidError(
                f"The pipeline has no parameter '{name[:80]}'", hint=f"It has {known}.", field=f"parameters.{name}"
            )
    values = {name: given.get(name, each.default) for name, each in parameters.items()}
    for name, value in values.items():
        wanted = parameters[name].type
        if value is None:
            raise ParameterInvalidError(
                f"Parameter '{name}' has no value and no default",
                hint=f"Give {with_article(wanted)}: `modelyard pipelines run NAME --set {name}=...`.",
                field=f"parameters.{name}",
            )
        if not is_of(value, wanted):
            raise ParameterInvalidError(
                f"Parameter '{name}' takes {with_article(wanted)}",
                hint="Change the value.",
                field=f"parameters.{name}",
            )
    return values
