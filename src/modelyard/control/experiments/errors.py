"""What can go wrong about experiments."""

from modelyard.errors import InvalidInputError, ModelyardError, NotFoundError, PermissionDeniedError, UnavailableError


class ExperimentsOffError(ModelyardError):
    """Experiments are switched off, or MLflow is not installed: trying again does not help."""

    code = "experiments_off"


class TrackingUnavailableError(UnavailableError):
    """The tracking server does not answer, or not yet."""

    code = "tracking_unavailable"


class TrackingRefusedError(InvalidInputError):
    """The tracking server refused what was sent."""

    code = "tracking_refused"


class TrackingRouteError(NotFoundError):
    """A part of MLflow that is not offered here."""

    code = "tracking_route_not_offered"


class CrossSiteRequestError(PermissionDeniedError):
    """A page of another site tries to change something with the credentials that a browser keeps."""

    code = "cross_site_request"
