"""What can be wrong with nodes that come and go."""

from modelyard.errors import InvalidInputError, InvalidStateError, NotFoundError


class NodeKindNotFoundError(NotFoundError):
    """No kind of node has this name."""

    code = "node_kind_not_found"


class NodeKindInvalidError(InvalidInputError):
    """A kind of which there may be fewer than there must be."""

    code = "node_kind_invalid"


class AutoscalingOffError(InvalidStateError):
    """Nothing on this platform can start nodes."""

    code = "autoscaling_off"
