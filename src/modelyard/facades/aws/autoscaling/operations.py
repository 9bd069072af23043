"""Operations of Application Auto Scaling, on the replicas of an endpoint's variants.

A target with a policy is the platform's own scaling between the two numbers; without one its number is fixed.
"""

from collections.abc import Iterator
from typing import Any

from modelyard.control.documents.service import DocumentService
from modelyard.control.hosting.records import MOST_REPLICAS
from modelyard.control.hosting.service import HostingService
from modelyard.facades.aws.autoscaling.paging import page_in
from modelyard.facades.aws.autoscaling.records import (
    DIMENSION,
    KIND,
    Resource,
    no_target,
    policy_arn,
    policy_of,
    policy_shown,
    resource_of,
    target_arn,
    target_shown,
)
from modelyard.facades.aws.wire.errors import AwsError, validation_error
from modelyard.facades.aws.wire.operations import Answer, Call, Request, operation
from modelyard.kit.clock import Clock
from modelyard.types.access import Action
from modelyard.types.endpoints import Scaling
from modelyard.types.foreign.documents import Document

_IDLE_SECONDS = 300
_BY_LOAD = "Replicas come and go by how busy they are, between the two numbers: TargetValue and steps have no effect."
_SAME = "One pair of numbers for all variants of an endpoint; SuspendedState and schedules have no effect."


class ScalingOperations:
    """Scalable targets and their policies."""

    def __init__(self, documents: DocumentService, hosting: HostingService, clock: Clock) -> None:
        self._documents = documents
        self._hosting = hosting
        self._clock = clock

    @operation("application-autoscaling", "RegisterScalableTarget", Action.OPERATE, partly=_SAME)
    def register_scalable_target(self, call: Call, request: Request) -> Answer:
        """A variant may have from so many to so many instances; registered again, other numbers."""
        resource = resource_of(request)
        self._check_there(call, resource)
        kept = next((each for each in self._live(call) if each.name == resource.id), None)
        before = kept.content if kept is not None else {"policies": {}}
        content = {**before, **_told(request)}
        if "least" not in content or "most" not in content:
            raise validation_error("MinCapacity and MaxCapacity must be specified for a new scalable target.")
        if content["least"] < 0:
            raise validation_error("Minimum capacity cannot be less than 0.")
        if content["most"] < content["least"]:
            raise validation_error("Maximum capacity cannot be less than minimum capacity.")
        self._check_same(call, resource, content)
        self._carry(call, resource, content)
        if kept is None:
            self._documents.create(KIND, call.project, resource.id, content)
        else:
            self._documents.update(KIND, call.project, resource.id, lambda _: content)
        return {"ScalableTargetARN": target_arn(call, resource.id)}

    @operation("application-autoscaling", "DescribeScalableTargets", Action.READ)
    def describe_scalable_targets(self, call: Call, request: Request) -> Answer:
        """Those of endpoints that there are, by name."""
        wanted = request.get("ResourceIds")
        targets = [each for each in self._targets(call, request) if wanted is None or each.name in wanted]
        shown, token = page_in([target_shown(call, each) for each in targets], request)
        return {"ScalableTargets": shown, "NextToken": token}

    @operation("application-autoscaling", "DeregisterScalableTarget", Action.OPERATE)
    def deregister_scalable_target(self, call: Call, request: Request) -> Answer:
        """The variant keeps the instances that it has now; its policies go too."""
        resource = resource_of(request)
        self._target(call, request, resource)
        self._documents.discard(KIND, call.project, resource.id)
        self._hosting.fix_scale(call.project, resource.endpoint)
        return {}

    @operation("application-autoscaling", "PutScalingPolicy", Action.OPERATE, partly=_BY_LOAD)
    def put_scaling_policy(self, call: Call, request: Request) -> Answer:
        """From now on the number of instances follows the load."""
        resource, name = resource_of(request), request["PolicyName"]
        self._target(call, request, resource)
        policy = policy_of(request, self._clock.now())
        self._change(call, resource, lambda policies: {**policies, name: policy})
        return {"PolicyARN": policy_arn(call, resource.id, name), "Alarms": []}

    @operation("application-autoscaling", "DescribeScalingPolicies", Action.READ, partly="Policies have no alarms.")
    def describe_scaling_policies(self, call: Call, request: Request) -> Answer:
        """Those of targets that there are."""
        names, resource_id = request.get("PolicyNames"), request.get("ResourceId")
        policies = [
            policy_shown(call, target.name, name, policy)
            for target in self._targets(call, request)
            for name, policy in sorted(target.content["policies"].items())
            if resource_id in (None, target.name) and (names is None or name in names)
        ]
        shown, token = page_in(policies, request)
        return {"ScalingPolicies": shown, "NextToken": token}

    @operation("application-autoscaling", "DeleteScalingPolicy", Action.OPERATE)
    def delete_scaling_policy(self, call: Call, request: Request) -> Answer:
        """Without any policy the variant keeps the instances that it has now."""
        resource, name = resource_of(request), request["PolicyName"]
        if name not in self._target(call, request, resource).content["policies"]:
            raise AwsError(
                "ObjectNotFoundException", f"No scaling policy found with the name {name} for {resource.id}."
            )
        self._change(call, resource, lambda policies: {key: each for key, each in policies.items() if key != name})
        return {}

    def _targets(self, call: Call, request: Request) -> Iterator[Document]:
        """The targets in a request's namespace and dimension."""
        if request["ServiceNamespace"] != "sagemaker" or request.get("ScalableDimension", DIMENSION) != DIMENSION:
            return
        yield from sorted(self._live(call), key=lambda each: each.name)

    def _live(self, call: Call) -> Iterator[Document]:
        """Targets of endpoints that there are; those of endpoints that are gone go too, whatever has the name now."""
        for document in list(self._documents.every(KIND, call.project)):
            view = self._hosting.view(call.project, document.name.split("/")[1])
            if view.hosted is None or (view.own is not None and view.own.created_at > document.created_at):
                self._documents.discard(KIND, call.project, document.name)
            else:
                yield document

    def _target(self, call: Call, request: Request, resource: Resource) -> Document:
        """The target that a request names.

        Raises:
            AwsError: it is not registered.
        """
        found = next((each for each in self._targets(call, request) if each.name == resource.id), None)
        if found is None:
            raise no_target(request)
        return found

    def _check_there(self, call: Call, resource: Resource) -> None:
        """Nothing if there is such a variant, with replicas that can be counted.

        Raises:
            AwsError: there is none, it is still being made, or it is made of several models.
        """
        view = self._hosting.view(call.project, resource.endpoint)
        hosted = view.hosted
        variants = () if hosted is None else hosted.variants
        found = next((each for each in variants if each.name == resource.variant), None)
        if hosted is None or found is None:
            raise validation_error(f"The resource {resource.id} does not exist: no such endpoint, or no such variant.")
        if hosted.composition is not None or found.max_concurrency is not None:
            raise validation_error("Serverless variants scale by themselves, and endpoints of several models do not.")
        if view.own is None:
            raise validation_error(f"The endpoint {resource.endpoint} is not made yet; wait until it is InService.")

    def _check_same(self, call: Call, resource: Resource, content: dict[str, Any]) -> None:
        """Nothing if the endpoint's other targets have the same numbers.

        Raises:
            AwsError: one has others.
        """
        beginning = f"endpoint/{resource.endpoint}/variant/"
        for each in self._live(call):
            if not each.name.startswith(beginning) or each.name == resource.id:
                continue
            if (each.content["least"], each.content["most"]) != (content["least"], content["most"]):
                raise validation_error(
                    f"Modelyard scales all variants of an endpoint alike: give what {each.name} has."
                )

    def _change(self, call: Call, resource: Resource, change: Any) -> None:
        changed = self._documents.update(
            KIND, call.project, resource.id, lambda kept: {**kept, "policies": change(kept["policies"])}
        )
        self._carry(call, resource, changed.content)

    def _carry(self, call: Call, resource: Resource, content: dict[str, Any]) -> None:
        if not content["policies"]:
            self._hosting.fix_scale(call.project, resource.endpoint, content["least"], content["most"])
            return
        cooldowns = [
            each["configuration"].get("ScaleInCooldown", _IDLE_SECONDS) for each in content["policies"].values()
        ]
        scaling = Scaling(
            minimum_replicas=min(content["least"], MOST_REPLICAS),
            maximum_replicas=max(1, min(content["most"], MOST_REPLICAS)),
            idle_seconds=float(max(1, *cooldowns)),
        )
        self._hosting.scale_between(call.project, resource.endpoint, scaling)


def _told(request: Request) -> dict[str, Any]:
    names = {"MinCapacity": "least", "MaxCapacity": "most", "RoleARN": "role", "SuspendedState": "suspended"}
    return {own: request[name] for name, own in names.items() if name in request}
