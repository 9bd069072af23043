"""Why no earlier result stands in for a step, in plain words."""

from collections.abc import Iterator, Mapping

from modelyard.types.pipelines.runs import Ingredient

SWITCHED_OFF = "caching is switched off for this step"
RUN_WITHOUT = "this run was started without the cache"
NEVER_RAN = "it has not run before"
NEVER_COMPLETED = "it has not completed with these inputs before"
_TOLD = 4


def reason_of_miss(before: Mapping[str, Ingredient] | None, now: Mapping[str, Ingredient]) -> str:
    """What is different from the last time that the step began; None: it never did."""
    if before is None:
        return NEVER_RAN
    changes = [*_changes(before, now)]
    if not changes:
        return NEVER_COMPLETED
    more = f"; and {len(changes) - _TOLD} more changes" if len(changes) > _TOLD else ""
    return "; ".join(changes[:_TOLD]) + more


def _changes(before: Mapping[str, Ingredient], now: Mapping[str, Ingredient]) -> Iterator[str]:
    for name, ingredient in now.items():
        was = before.get(name)
        if was is None:
            yield f"{name} is new: {ingredient.shown}"
        elif was.digest != ingredient.digest:
            if was.shown == ingredient.shown:
                yield f"{name} has another content under the same name: {ingredient.shown}"
            else:
                yield f"{name} changed from {was.shown} to {ingredient.shown}"
    for name, ingredient in before.items():
        if name not in now:
            yield f"{name} is gone: it was {ingredient.shown}"
