"""Which kind of data a job is about. Each is imported where it is wanted only: imports are time of the budget."""

from modelyard.algorithms.automl.tasks.base import Subject
from modelyard.algorithms.base import Channel
from modelyard.types.automl.recipes import IMAGES, AutoMLRecipe, AutoMLTask


def open_subject(channel: Channel, target: str | None, recipe: AutoMLRecipe) -> Subject:
    """Read the data.

    Raises:
        InvalidInputError: it cannot be learnt from; the message says what and why.
    """
    if channel.format in IMAGES:
        from modelyard.algorithms.automl.tasks.images import open_images  # noqa: PLC0415 - see above

        return open_images(channel, recipe)
    if recipe.task is AutoMLTask.TEXT_CLASSIFICATION:
        from modelyard.algorithms.automl.tasks.texts import open_texts  # noqa: PLC0415

        return open_texts(channel, target, recipe)
    if recipe.task is AutoMLTask.FORECASTING:
        from modelyard.algorithms.automl.tasks.series import open_series  # noqa: PLC0415

        return open_series(channel, target, recipe)
    from modelyard.algorithms.automl.tasks.tables import open_table  # noqa: PLC0415

    return open_table(channel, target, recipe)
