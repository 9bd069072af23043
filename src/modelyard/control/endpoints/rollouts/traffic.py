"""Who gets which requests while a rollout is under way."""

from dataclasses import dataclass, replace

from modelyard.control.endpoints.records import Slot
from modelyard.control.endpoints.status import slots_of
from modelyard.types.endpoints import Rollout, StageKind, Variant
from modelyard.types.processes import Resources
from modelyard.types.routing import RouteShadow

_NEW = ".new"


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A variant as the gateway knows it.

    A new version that comes in stages serves beside the old one, so until it has taken over it has a name of its own
    ("main.new").
    """

    name: str
    weight: float
    variant: Variant

    @property
    def slots(self) -> list[Slot]:
        """Of its replicas."""
        return slots_of([self.variant])


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """All variants with their weights, and which of them gets copies."""

    served: tuple[Served, ...]
    shadow: RouteShadow | None = None


def traffic_of(variants: tuple[Variant, ...], rollout: Rollout | None) -> Traffic:
    """What the gateway is told: the endpoint's variants and, in a stage, those that the rollout adds to them."""
    stage = rollout.current_stage if rollout is not None else None
    present = tuple(Served(name=each.name, weight=each.weight, variant=each) for each in variants)
    if stage is None or rollout is None:
        return Traffic(served=present)
    added = newcomers(variants, rollout.to_variants)
    if stage.kind is StageKind.SHADOW:
        shadow = RouteShadow(variant=added[0].name, share=stage.share) if added else None
        return Traffic(served=(*present, *added), shadow=shadow)
    return Traffic(served=_mixed((*present, *added), rollout.to_variants, stage.share))


def newcomers(variants: tuple[Variant, ...], wanted: tuple[Variant, ...]) -> tuple[Served, ...]:
    """Those of the wanted variants that are not served yet, without traffic."""
    present = {_identity(variant) for variant in variants}
    taken = {variant.name for variant in variants}
    added = []
    for variant in wanted:
        if _identity(variant) not in present:
            name = _free(variant.name, taken)
            taken.add(name)
            added.append(Served(name=name, weight=0.0, variant=variant))
    return tuple(added)


def _mixed(served: tuple[Served, ...], wanted: tuple[Variant, ...], share: float) -> tuple[Served, ...]:
    """The traffic as it was with weight 1 - share, and as it is wanted with weight share."""
    after = {_identity(variant): variant.weight for variant in wanted}
    total, total_after = sum(each.weight for each in served), sum(after.values())
    return tuple(
        replace(
            each,
            weight=(1 - share) * each.weight / total + share * after.get(_identity(each.variant), 0.0) / total_after,
        )
        for each in served
    )


def _identity(variant: Variant) -> tuple[str, str, int, Resources]:
    return variant.name, variant.model, variant.number, variant.resources


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += _NEW
    return name
