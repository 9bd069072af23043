"""What both ways to Operations have in common."""

from modelyard.types.endpoints import Endpoint, RolloutStatus

MAIN = "main"
MOST_EVENTS = 200


def is_served(endpoint: Endpoint, ref: str) -> bool:
    """Whether an endpoint serves a version and nothing else, or will once its rollout has ended well."""
    rollout = endpoint.rollout
    is_changing = rollout is not None and rollout.status is RolloutStatus.RUNNING
    variants = rollout.to_variants if rollout is not None and is_changing else endpoint.variants
    return [f"{variant.model}:{variant.number}" for variant in variants] == [ref]
