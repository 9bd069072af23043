"""Models, their immutable versions, aliases, evaluations, deployments, lineage; `discovery` finds them."""
