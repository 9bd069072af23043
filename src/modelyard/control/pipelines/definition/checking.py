"""What is wrong with a definition: said before anything of it runs, with the field that is at fault."""

import difflib
import re
from collections.abc import Iterable, Mapping

from croniter import croniter

from modelyard.control.pipelines.definition.ordering import ordered
from modelyard.control.pipelines.definition.references import Reference, find, sole
from modelyard.control.pipelines.definition.typing import fits, is_of, part_of, with_article
from modelyard.control.pipelines.errors import PipelineInvalidError
from modelyard.types.pipelines.definitions import (
    InputSpec,
    KindDescription,
    Parameter,
    PipelineDefinition,
    StepDefinition,
    Triggers,
    ValueType,
)

CONDITION = "condition"
_STEP_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_PARAMETER_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_CRON_FIELDS = 5

Kinds = Mapping[str, KindDescription]


def check(definition: PipelineDefinition, kinds: Kinds) -> None:
    """Nothing if it can be run.

    Raises:
        PipelineInvalidError: what is wrong with which field, and what to do.
    """
    if not definition.steps:
        raise PipelineInvalidError("The pipeline has no steps", hint="Add one under `steps`.", field="steps")
    for name, parameter in definition.parameters.items():
        _check_parameter(name, parameter)
    for name, step in definition.steps.items():
        if step.kind not in kinds:
            raise _unknown("kind of step", step.kind, kinds, f"steps.{name}.kind")
    for name, step in definition.steps.items():
        _check_step(name, step, definition, kinds)
    ordered(definition.steps)
    _check_triggers(definition.triggers, definition.parameters)
    _check_used(definition)


def type_of(reference: Reference, definition: PipelineDefinition, kinds: Kinds, field: str) -> ValueType:
    """What a reference gives.

    Raises:
        PipelineInvalidError: there is no such parameter, step, output or part.
    """
    if not reference.step:
        if reference.name not in definition.parameters:
            raise _unknown("parameter", reference.name, definition.parameters, field)
        found = definition.parameters[reference.name].type
    else:
        if reference.step not in definition.steps:
            raise _unknown("step", reference.step, definition.steps, field)
        kind = kinds[definition.steps[reference.step].kind]
        outputs = {output.name: output.type for output in kind.outputs}
        if reference.name not in outputs:
            raise _unknown(f"output of step '{reference.step}'", reference.name, outputs, field)
        found = outputs[reference.name]
    for part in reference.path:
        inner = part_of(found)
        if inner is None:
            raise PipelineInvalidError(
                f"{reference} asks for '{part}' of {with_article(found)}, which has no parts",
                hint="Leave out what stands behind the name.",
                field=field,
            )
        found = inner
    return found


def _check_parameter(name: str, parameter: Parameter) -> None:
    field = f"parameters.{name}"
    if not _PARAMETER_NAME.fullmatch(name):
        raise PipelineInvalidError(
            f"'{name[:80]}' cannot be the name of a parameter",
            hint="Use lower-case letters, digits and '_'; begin with a letter.",
            field=field,
        )
    if parameter.default is not None and not is_of(parameter.default, parameter.type):
        raise PipelineInvalidError(
            f"The default of parameter '{name}' is not {with_article(parameter.type)}",
            hint="Change `default` or `type`.",
            field=f"{field}.default",
        )


def _check_step(name: str, step: StepDefinition, definition: PipelineDefinition, kinds: Kinds) -> None:
    field = f"steps.{name}"
    if not _STEP_NAME.fullmatch(name):
        raise PipelineInvalidError(
            f"'{name[:80]}' cannot be the name of a step",
            hint="Use lower-case letters, digits, '_' and '-'; begin with a letter.",
            field=field,
        )
    kind = kinds[step.kind]
    known = {spec.name: spec for spec in kind.inputs}
    for given, value in step.inputs.items():
        if given not in known:
            raise _unknown(f"input of {with_kind(step.kind)}", given, known, f"{field}.inputs.{given}")
        _check_input(known[given], value, definition, kinds, f"{field}.inputs.{given}")
    for spec in kind.inputs:
        if spec.is_required and step.inputs.get(spec.name) is None:
            raise PipelineInvalidError(
                f"Step '{name}' lacks the input '{spec.name}'",
                hint=f"Give {with_article(spec.type)}: {spec.description}",
                field=f"{field}.inputs.{spec.name}",
            )
    _check_order(name, step, definition, field)


def _check_order(name: str, step: StepDefinition, definition: PipelineDefinition, field: str) -> None:
    for word, others in (("when", step.when), ("unless", step.unless), ("after", step.after)):
        for other in others:
            if other not in definition.steps:
                raise _unknown("step", other, definition.steps, f"{field}.{word}")
            if word != "after" and definition.steps[other].kind != CONDITION:
                raise PipelineInvalidError(
                    f"Step '{name}' asks whether '{other}' holds: {with_kind(definition.steps[other].kind)}",
                    hint=f"Name a step of kind {CONDITION} in `{word}`, or use `after`.",
                    field=f"{field}.{word}",
                )


def _check_input(spec: InputSpec, value: object, definition: PipelineDefinition, kinds: Kinds, field: str) -> None:
    for place, reference in find(value, field):
        given = type_of(reference, definition, kinds, place)
        is_whole = place == field and sole(value, field) is not None
        wanted = spec.type if is_whole else ValueType.DATASET if spec.type is ValueType.DATASETS else ValueType.ANY
        if not fits(given, wanted):
            raise PipelineInvalidError(
                f"{reference} is {with_article(given)}, and input '{spec.name}' takes {with_article(wanted)}",
                hint="Refer to an output or parameter of that type.",
                field=place,
            )
    if value is not None and sole(value, field) is None and not is_of(value, spec.type):
        raise PipelineInvalidError(
            f"Input '{spec.name}' takes {with_article(spec.type)}",
            hint=f"{spec.description}",
            field=field,
        )


def _check_triggers(triggers: Triggers, parameters: Mapping[str, Parameter]) -> None:
    if triggers.schedule:
        words = triggers.schedule.split()
        if len(words) != _CRON_FIELDS or not croniter.is_valid(triggers.schedule):
            raise PipelineInvalidError(
                f"'{triggers.schedule[:80]}' is no cron expression",
                hint="Write minute, hour, day of month, month, day of week, in UTC: '0 3 * * 1' is Mondays at three.",
                field="triggers.schedule",
            )
    for place, trigger in enumerate(triggers.datasets):
        field = f"triggers.datasets.{place}.parameter"
        if trigger.parameter and trigger.parameter not in parameters:
            raise _unknown("parameter", trigger.parameter, parameters, field)
        if trigger.parameter and not fits(ValueType.DATASET, parameters[trigger.parameter].type):
            raise PipelineInvalidError(
                f"Parameter '{trigger.parameter}' takes {with_article(parameters[trigger.parameter].type)}, "
                "and the trigger would give it a dataset",
                hint="Declare it as `type: dataset`.",
                field=field,
            )
    given = {trigger.parameter for trigger in triggers.datasets}
    lacking = sorted(name for name, each in parameters.items() if each.default is None)
    if triggers and any(name not in given or len(triggers.datasets) > 1 for name in lacking):
        raise PipelineInvalidError(
            f"Runs that begin by themselves have no value for parameter '{lacking[0]}'",
            hint="Give it a default.",
            field=f"parameters.{lacking[0]}",
        )


def _check_used(definition: PipelineDefinition) -> None:
    used = {
        reference.name
        for step in definition.steps.values()
        for _, reference in find(step.inputs, "")
        if not reference.step
    }
    for name in definition.parameters:
        if name not in used:
            raise PipelineInvalidError(
                f"No step uses parameter '{name}'",
                hint=f"Refer to it as ${{parameters.{name}}}, or take it away.",
                field=f"parameters.{name}",
            )


def with_kind(kind: str) -> str:
    """A step of a kind, as a sentence has it."""
    return f"{'an' if kind[:1] in tuple('aeiou') else 'a'} {kind} step"


def _unknown(what: str, name: str, known: Iterable[str], field: str) -> PipelineInvalidError:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    listed = f"There are {', '.join(names)}." if names else "There are none."
    return PipelineInvalidError(
        f"There is no {what} '{name[:80]}'",
        hint=f"Did you mean '{near[0]}'? {listed}" if near else listed,
        field=field,
    )
