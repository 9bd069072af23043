"""DescribeScalingActivities: when the number of a variant's instances changed by itself, and why."""

from collections.abc import Iterable, Iterator

from modelyard.control.documents.service import DocumentService
from modelyard.control.events.service import EventService
from modelyard.control.rest.pages import PageQuery
from modelyard.facades.aws.autoscaling.paging import page_in
from modelyard.facades.aws.autoscaling.records import DIMENSION, KIND, NAMESPACE, identity
from modelyard.facades.aws.wire.operations import Answer, Call, Request, operation
from modelyard.kit.foreign_names import own_name
from modelyard.types.access import Action
from modelyard.types.endpoints import Event
from modelyard.types.foreign.documents import Document

_AUTOSCALED = "endpoint_autoscaled"
_LOOKED_AT = 500


class ScalingActivityOperations:
    """What scaling has done."""

    def __init__(self, documents: DocumentService, events: EventService) -> None:
        self._documents = documents
        self._events = events

    @operation(
        "application-autoscaling",
        "DescribeScalingActivities",
        Action.READ,
        partly="Of targets that are registered; what did not scale is not told.",
    )
    def describe_scaling_activities(self, call: Call, request: Request) -> Answer:
        """Newest first."""
        resource_id = request.get("ResourceId")
        is_ours = request["ServiceNamespace"] == NAMESPACE and request.get("ScalableDimension", DIMENSION) == DIMENSION
        targets: Iterable[Document] = self._documents.every(KIND, call.project) if is_ours else ()
        found = [
            _shown(target.name, event)
            for target in targets
            if resource_id in (None, target.name)
            for event in self._of(target)
        ]
        found.sort(key=lambda each: each["StartTime"], reverse=True)
        shown, token = page_in(found, request)
        return {"ScalingActivities": shown, "NextToken": token}

    def _of(self, target: Document) -> Iterator[Event]:
        """What happened to a target's variant since it was registered."""
        _, endpoint, _, variant = target.name.split("/")
        subject = f"endpoint/{own_name(endpoint)}"
        for event in self._events.list(target.project, subject, PageQuery(limit=_LOOKED_AT)).items:
            is_its = event.kind == _AUTOSCALED and event.details.get("variant") == own_name(variant)
            if is_its and event.at >= target.created_at:
                yield event


def _shown(resource_id: str, event: Event) -> Answer:
    return {
        **identity(resource_id),
        "ActivityId": event.id,
        "Description": f"Setting desired instance count to {event.details['replicas']}.",
        "Cause": event.message,
        "StartTime": event.at,
        "EndTime": event.at,
        "StatusCode": "Successful",
        "StatusMessage": f"Successfully set desired instance count to {event.details['replicas']}.",
    }
