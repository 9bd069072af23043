"""Rules of the variants of one endpoint."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from modelyard.control.endpoints.errors import VariantNotFoundError, VariantsInvalidError
from modelyard.kit.ids import check_name
from modelyard.types.endpoints import Scaling, Variant

MAXIMUM_REPLICAS = 64
MAXIMUM_VARIANTS = 16


def check_variants(variants: Sequence[Variant]) -> tuple[Variant, ...]:
    """`variants`, if they can serve together.

    Raises:
        VariantsInvalidError: none, too many, a name twice, a negative weight or no weight at all, bad replica counts.
        NameInvalidError: a name that is not fit for URLs.
    """
    if not 1 <= len(variants) <= MAXIMUM_VARIANTS:
        raise VariantsInvalidError(
            f"An endpoint has 1 to {MAXIMUM_VARIANTS} variants, not {len(variants)}",
            hint="Name at least one model version.",
            field="variants",
        )
    names = [check_name(variant.name, f"variants.{index}.name") for index, variant in enumerate(variants)]
    for index, variant in enumerate(variants):
        if variant.name in names[:index]:
            raise VariantsInvalidError(
                f"Two variants are named '{variant.name}'",
                hint="Give each variant a name of its own.",
                field=f"variants.{index}.name",
            )
        check_replicas(variant.replicas, f"variants.{index}.replicas")
        if not 0 <= variant.weight < float("inf"):
            raise VariantsInvalidError(
                f"The weight {variant.weight} is not a number from 0 on",
                hint="Weights are relative: 9 and 1 share the traffic 90 to 10.",
                field=f"variants.{index}.weight",
            )
    if not any(variant.weight > 0 for variant in variants):
        raise VariantsInvalidError(
            "No variant takes traffic: every weight is 0", hint="Give one a weight above 0.", field="variants"
        )
    return tuple(variants)


def check_replicas(count: int, field: str) -> None:
    """Nothing if an endpoint may have so many replicas of a variant.

    Raises:
        VariantsInvalidError: it may not.
    """
    if not 1 <= count <= MAXIMUM_REPLICAS:
        raise VariantsInvalidError(
            f"A variant has 1 to {MAXIMUM_REPLICAS} replicas, not {count}",
            hint="To run none, stop the endpoint.",
            field=field,
        )


def reweighted(variants: Sequence[Variant], weights: Mapping[str, float]) -> tuple[Variant, ...]:
    """The same variants with some weights changed.

    Raises:
        VariantNotFoundError: a weight for a variant that is not there.
    """
    for name in weights:
        check_variant(variants, name, f"weights.{name}")
    return tuple(replace(variant, weight=weights.get(variant.name, variant.weight)) for variant in variants)


def rescaled(variants: Sequence[Variant], name: str | None, replicas: int) -> tuple[Variant, ...]:
    """The same variants with another number of replicas; all of them if `name` is None."""
    return tuple(
        replace(variant, replicas=replicas) if name in (None, variant.name) else variant for variant in variants
    )


def fitted(variants: Sequence[Variant], scaling: Scaling, present: Sequence[Variant]) -> tuple[Variant, ...]:
    """The same variants with as many replicas as those of the same name in `present` have, within the bounds.

    A variant that is another one than before gets a replica at least: nothing takes traffic before it was proven.
    """
    counts = {variant.name: variant.replicas for variant in present}
    kept = tuple(replace(each, replicas=counts.get(each.name, each.replicas)) for each in variants)
    return kept if kept == tuple(present) else tuple(_bounded(variant, scaling) for variant in kept)


def _bounded(variant: Variant, scaling: Scaling) -> Variant:
    fewest = max(1, scaling.minimum_replicas)
    return replace(variant, replicas=min(max(variant.replicas, fewest), scaling.maximum_replicas))


def check_variant(variants: Sequence[Variant], name: str, field: str) -> None:
    """Nothing if there is a variant of this name.

    Raises:
        VariantNotFoundError: there is none.
    """
    names = [variant.name for variant in variants]
    if name not in names:
        raise VariantNotFoundError(
            f"The endpoint has no variant '{name}'", hint=f"It has {', '.join(names)}.", field=field
        )
