"""What is plain to see of a table of time series before a job is accepted."""

from modelyard.algorithms.automl.errors import AutoMLInvalidError
from modelyard.algorithms.errors import ColumnsInvalidError, TooFewRowsError
from modelyard.types.automl.recipes import AutoMLRecipe
from modelyard.types.datasets import ColumnKind, DatasetSchema

_LEAST_HORIZONS = 4
"""Of the rows: one horizon is held out, one lies before it, and what is learnt from takes two at the very least."""


def check_series(schema: DatasetSchema, recipe: AutoMLRecipe) -> None:
    """Return if the table may hold series that are long enough; the job looks closer.

    Raises:
        AutoMLInvalidError: no horizon.
        ColumnsInvalidError: no such column, or it is not clear which one has the times.
        TooFewRowsError: fewer rows than a horizon takes.
    """
    if recipe.horizon < 1:
        raise AutoMLInvalidError(
            "A forecast needs a horizon", hint="Say how many steps of time to forecast (--horizon).", field="horizon"
        )
    names = {column.name for column in schema.columns}
    for field, name in (("time_column", recipe.time_column), ("series_column", recipe.series_column)):
        if name and name not in names:
            raise ColumnsInvalidError(
                f"The table has no column '{name[:80]}'", hint=f"It has {', '.join(sorted(names))[:300]}.", field=field
            )
    times = [column.name for column in schema.columns if column.kind is ColumnKind.DATETIME]
    if not recipe.time_column and len(times) != 1:
        raise ColumnsInvalidError(
            f"The table has {len(times)} columns of times",
            hint="Name the one to go by (--time-column); whole numbers that count steps will do, too.",
            field="time_column",
        )
    if schema.rows < _LEAST_HORIZONS * recipe.horizon:
        raise TooFewRowsError(
            f"{schema.rows:,} rows are too few for a horizon of {recipe.horizon:,}",
            hint=f"Give {_LEAST_HORIZONS * recipe.horizon:,} at the very least, or a shorter horizon.",
            field="horizon",
        )
