"""How an endpoint is described to OpenAI's clients."""

from collections.abc import Mapping


def model_fields(endpoint: str) -> Mapping[str, object]:
    """The model object. `created` must be there; an endpoint's age is not known to the gateway."""
    return {"id": endpoint, "object": "model", "created": 0, "owned_by": "modelyard"}
