"""Which columns of a table go into a model, and which columns come out. Needs names only, so it is asked beforehand."""

from collections.abc import Sequence
from dataclasses import dataclass

from modelyard.algorithms.errors import ColumnsInvalidError
from modelyard.algorithms.tables.tensors import check_present
from modelyard.runtimes.validate import describe
from modelyard.types.batch.recipes import BatchRecipe
from modelyard.types.signatures import Signature, TensorSpec

LABEL, PREDICTION, PROBABILITIES = "label", "prediction", "probabilities"
ERROR = "error"
_TABLE_RANK = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class InputColumns:
    """The columns that make an input tensor, in its order."""

    spec: TensorSpec
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerColumn:
    """A column of the output: an output tensor, or with `index` one of its columns."""

    name: str
    tensor: str
    index: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchColumns:
    """Everything about names.

    Attributes:
        inputs: what the model takes.
        kept: columns of the table that stand beside the answers.
        answers: columns that the model adds.
        error: name of the column that says why a row has no answer.
    """

    inputs: tuple[InputColumns, ...]
    kept: tuple[str, ...]
    answers: tuple[AnswerColumn, ...]
    error: str

    @property
    def read(self) -> tuple[str, ...]:
        """Columns of the table that are needed, each once."""
        taken = (name for columns in self.inputs for name in columns.names)
        return tuple(dict.fromkeys((*taken, *self.kept)))


def plan_batch(signature: Signature, names: Sequence[str], recipe: BatchRecipe) -> BatchColumns:
    """What happens to a table of columns `names`.

    Raises:
        ColumnsInvalidError: a column of the model or one to keep is missing, a name would stand twice, or the model
            takes or gives something that is no column.
    """
    kept = tuple(names) if recipe.keep is None else tuple(dict.fromkeys(recipe.keep))
    _check_kept(kept, names)
    answers = plan_answers(signature, recipe.prefix)
    error = f"{recipe.prefix}{ERROR}"
    taken = {*kept} & {error, *(answer.name for answer in answers)}
    if taken:
        raise ColumnsInvalidError(
            f"The table has a column '{min(taken)}' already, which the answers need",
            hint="Give a `prefix` for the answers' columns, or name the columns to `keep`.",
            field="prefix",
        )
    return BatchColumns(
        inputs=plan_inputs(signature, names, recipe.keep or ()), kept=kept, answers=answers, error=error
    )


def plan_inputs(signature: Signature, names: Sequence[str], keep: Sequence[str]) -> tuple[InputColumns, ...]:
    """The columns of each input; a model without names of columns takes those of the table in their order.

    Raises:
        ColumnsInvalidError: see `plan_batch`.
    """
    found = []
    for spec in signature.inputs:
        width = _width(spec, "takes")
        if spec.columns or width == 1:
            columns = spec.columns or (spec.name,)
            if not spec.columns and len(signature.inputs) == 1 and spec.name not in names and len(names) == 1:
                columns = tuple(names)
            check_present(names, columns)
        else:
            columns = _in_order(spec, width, names, keep)
        found.append(InputColumns(spec=spec, names=columns))
    return tuple(found)


def plan_answers(signature: Signature, prefix: str) -> tuple[AnswerColumn, ...]:
    """The columns that the model adds: "prediction", and a "probability_<class>" for each class.

    Raises:
        ColumnsInvalidError: an output has more than two dimensions, or an unknown number of columns.
    """
    named = {spec.name for spec in signature.outputs}
    answers = []
    for spec in signature.outputs:
        is_main = spec.name == LABEL or (len(named) == 1 and named.isdisjoint({PREDICTION, PROBABILITIES}))
        name = prefix + (PREDICTION if is_main else "probability" if spec.name == PROBABILITIES else spec.name)
        width = _width(spec, "gives")
        if len(spec.shape) == 1 or (width == 1 and spec.name != PROBABILITIES):
            answers.append(AnswerColumn(name=name, tensor=spec.name, index=0 if len(spec.shape) > 1 else None))
            continue
        parts = spec.columns or tuple(str(index) for index in range(width))
        answers += [
            AnswerColumn(name=f"{name}_{part}", tensor=spec.name, index=index) for index, part in enumerate(parts)
        ]
    return tuple(answers)


def _width(spec: TensorSpec, verb: str) -> int:
    """Columns of a tensor."""
    width = spec.shape[1] if len(spec.shape) > 1 else 1
    if not 1 <= len(spec.shape) <= _TABLE_RANK or (width < 0 and not spec.columns):
        raise ColumnsInvalidError(
            f"The model {verb} '{spec.name}' as {describe(spec)}, which is not made of a table's columns",
            hint="Batch jobs answer tables; ask an endpoint for other inputs.",
            field="model",
        )
    return len(spec.columns) or width


def _in_order(spec: TensorSpec, width: int, names: Sequence[str], keep: Sequence[str]) -> tuple[str, ...]:
    others = [name for name in names if name not in set(keep)]
    for candidates in (list(names), others):
        if len(candidates) == width:
            return tuple(candidates)
    raise ColumnsInvalidError(
        f"The model takes {width} columns without names, the table has {len(names)}",
        hint=f"Give a table of these {width} columns in the model's order, and `keep` columns beside them, "
        "or register the model with the names of its columns.",
        field=f"inputs.{spec.name}",
    )


def _check_kept(kept: Sequence[str], names: Sequence[str]) -> None:
    there = set(names)
    missing = [name for name in kept if name not in there]
    if missing:
        raise ColumnsInvalidError(
            f"The table has no column '{missing[0][:80]}' to keep",
            hint=f"It has {', '.join(list(names)[:20])}.",
            field="keep",
        )
