"""InvokeEndpoint and its sibling, for endpoints that are made of several models.

All others the gateway answers alone, and so it does for a target that is loaded.
"""

import json
from typing import Any

from modelyard.control.buckets.files import parse_uri
from modelyard.control.hosting.calling import Invocation
from modelyard.control.hosting.composed.chain import ContainerChain, Link, Passage
from modelyard.control.hosting.composed.targets import LoadState, TargetModels, target_uri
from modelyard.control.hosting.records import HostedEndpoint
from modelyard.control.hosting.service import HostingService
from modelyard.facades.aws.sagemaker.hosting.listing import session_header
from modelyard.facades.aws.sagemaker.hosting.states import status_of
from modelyard.facades.aws.wire.errors import AwsError
from modelyard.facades.aws.wire.operations import Answer, Call, Request, operation
from modelyard.kit.foreign_names import container_name, own_name
from modelyard.types.access import Action
from modelyard.types.serving.hosting import Composition, CompositionMode, ModelContainer

_OK = range(200, 300)
_MODEL_ERROR = 424
_SERVER_ERROR = 500
_NOT_THERE_YET = (400, 503)  # what a container itself refuses is a ModelError
_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
_HEADERS = {"ContentType": "content-type", "Accept": "accept", "CustomAttributes": _ATTRIBUTES}
_ACCEPT_VARIABLE = "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT"
_TARGET_HOSTNAME = "model"


class InvocationOperations:
    """Requests to multi-model endpoints and to containers in a row."""

    def __init__(self, hosting: HostingService, targets: TargetModels, chain: ContainerChain) -> None:
        self._hosting = hosting
        self._targets = targets
        self._chain = chain

    @operation("sagemaker-runtime", "InvokeEndpoint", Action.INFER)
    def invoke_endpoint(self, call: Call, request: Request) -> Answer:
        """The answer of the target, or of the last container. It is held while a target is loaded."""
        name = request["EndpointName"]
        hosted, composition = self._composed(call, name)
        if composition.mode is CompositionMode.TARGETS:
            links: tuple[Link, ...] = (self._target(call, name, hosted, composition, request),)
        elif "TargetModel" in request:
            raise _invalid(f"Endpoint {name} is not a multi-model endpoint and does not support target model header.")
        else:
            links = tuple(_link(name, each) for each in _asked(composition, request))
        headers = {header: request[member] for member, header in _HEADERS.items() if member in request}
        headers |= session_header(call)
        passage = self._chain.run(call.access_key, links, headers, request.get("Body") or b"")
        if composition.mode is CompositionMode.TARGETS and passage.answer.status in _NOT_THERE_YET:
            raise _loading(call, request["TargetModel"])
        return _answer(passage, hosted.variants[0].name)

    @operation(
        "sagemaker-runtime",
        "InvokeEndpointWithResponseStream",
        Action.INFER,
        partly="Endpoints of several models are refused.",
    )
    def invoke_endpoint_with_response_stream(self, call: Call, request: Request) -> Answer:
        """Only endpoints that the gateway does not know come here, and none of these answers in parts.

        Raises:
            AwsError: always.
        """
        name = request["EndpointName"]
        self._composed(call, name)
        raise _invalid(f"Endpoint {name} is made of several models, which do not answer in parts: use InvokeEndpoint.")

    def _composed(self, call: Call, name: str) -> tuple[HostedEndpoint, Composition]:
        """The endpoint, which serves.

        Raises:
            AwsError: there is none, or the gateway has nothing to ask.
        """
        view = self._hosting.view(call.project, name)
        if view.hosted is None or view.hosted.composition is None or status_of(view) != "InService":
            raise _invalid(f"Endpoint {name} of account {call.account_id} not found.")
        return view.hosted, view.hosted.composition

    def _target(
        self, call: Call, name: str, hosted: HostedEndpoint, composition: Composition, request: Request
    ) -> Link:
        """The model that a request names.

        Raises:
            AwsError: it names none, or none that can be asked.
        """
        key = request.get("TargetModel")
        if not key:
            raise _invalid(f"The request to {name} is missing a target model header: pass TargetModel.")
        load = self._targets.look(call.project, name, hosted, key)
        if load.state is LoadState.ABSENT:
            bucket, path = parse_uri(target_uri(composition.containers[0], key))
            raise _invalid(
                f"Failed to download model data(bucket: {bucket}, key: {path}). There is no such object in a bucket of "
                "the project."
            )
        if load.state is LoadState.FAILED:
            raise _model_error(_SERVER_ERROR, _TARGET_HOSTNAME, f"The model could not be loaded. {load.reason}")
        if load.state is LoadState.LOADING:
            raise _loading(call, key)
        return Link(endpoint=own_name(load.part), hostname=_TARGET_HOSTNAME)


def _asked(composition: Composition, request: Request) -> tuple[ModelContainer, ...]:
    """The containers that a request goes through.

    Raises:
        AwsError: it must name one and does not, or may not and does.
    """
    hostname = request.get("TargetContainerHostname")
    if composition.mode is CompositionMode.SERIAL:
        if hostname:
            raise _invalid("TargetContainerHostname is for models with the execution mode Direct.")
        return composition.containers
    found = tuple(each for each in composition.containers if each.hostname == hostname)
    if not found:
        names = ", ".join(each.hostname for each in composition.containers)
        raise _invalid(f"TargetContainerHostname must name one of the containers: {names}.")
    return found


def _link(endpoint: str, container: ModelContainer) -> Link:
    part = container_name(endpoint, container.hostname)
    accept = container.environment.get(_ACCEPT_VARIABLE, "")
    return Link(endpoint=own_name(part), hostname=container.hostname, accept=accept)


def _answer(passage: Passage, variant: str) -> Answer:
    """What the last container answered.

    Raises:
        AwsError: one of them refused, or could not be asked.
    """
    hostname, answer = passage
    if answer.status not in _OK:
        raise _refusal(hostname, answer)
    return {
        "Body": answer.body,
        "ContentType": answer.headers.get("content-type"),
        "InvokedProductionVariant": variant,
        "CustomAttributes": answer.headers.get(_ATTRIBUTES),
    }


def _refusal(hostname: str, answer: Invocation) -> AwsError:
    told = _told(answer.body)
    if answer.status == _MODEL_ERROR:
        return _model_error(int(told["OriginalStatusCode"]), hostname, str(told["OriginalMessage"]))
    words = f"{hostname}: {told.get('Message', 'no answer')}"
    if answer.status in _NOT_THERE_YET:
        return AwsError("ServiceUnavailable", words, status=503)
    return AwsError(answer.headers.get("x-amzn-errortype", "InternalFailure"), words, status=answer.status)


def _model_error(status: int, hostname: str, message: str) -> AwsError:
    side = "server" if status >= _SERVER_ERROR else "client"
    words = f'Received {side} error ({status}) from {hostname} with message "{message}".'
    members = {"OriginalStatusCode": status, "OriginalMessage": message, "LogStreamArn": ""}
    return AwsError("ModelError", words, status=_MODEL_ERROR, members=members)


def _loading(call: Call, key: str) -> AwsError:
    """The error for a client that has waited for long enough; the call is held until then."""
    call.hold(for_everyone=True)
    return AwsError("ModelNotReadyException", f"Model {key} is being loaded. Send the request again.", status=429)


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message)


def _told(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
