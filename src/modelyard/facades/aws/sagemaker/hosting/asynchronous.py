"""InvokeEndpointAsync: objects in and out."""

from datetime import timedelta
from typing import Any

from modelyard.control.access_keys.service import AccessKeyService
from modelyard.control.documents.service import DocumentService
from modelyard.control.hosting.asynchronous import AsyncInference, AsyncRequest
from modelyard.control.hosting.service import HostingService
from modelyard.facades.aws.sagemaker.hosting.endpoints import KIND
from modelyard.facades.aws.sagemaker.hosting.listing import SESSION_HEADER
from modelyard.facades.aws.wire.errors import AwsError
from modelyard.facades.aws.wire.operations import Answer, Call, Request, operation
from modelyard.kit.clock import Clock
from modelyard.kit.ids import new_id
from modelyard.types.access import Action, Role

_TTL_SECONDS = 6 * 3600
_ANSWER_SECONDS = 3600  # longer than any answer takes
_HEADERS = {
    "ContentType": "content-type",
    "Accept": "accept",
    "CustomAttributes": "x-amzn-sagemaker-custom-attributes",
}


class AsyncOperations:
    """Asynchronous requests to endpoints that were configured for them."""

    def __init__(
        self,
        documents: DocumentService,
        hosting: HostingService,
        inference: AsyncInference,
        access_keys: AccessKeyService,
        clock: Clock,
    ) -> None:
        self._access_keys = access_keys
        self._documents = documents
        self._hosting = hosting
        self._inference = inference
        self._clock = clock

    @operation(
        "sagemaker-runtime",
        "InvokeEndpointAsync",
        Action.INFER,
        partly="InputLocation only, no inline body; notifications have no effect.",
    )
    def invoke_endpoint_async(self, call: Call, request: Request) -> Answer:
        """It is answered when a replica is free; the answer or the failure becomes an object."""
        paths = self._paths(call, request["EndpointName"])
        uri = request.get("InputLocation")
        if not uri:
            raise _refused("InputLocation must name an object with the input.")
        inference_id = request.get("InferenceId") or new_id("async")
        file = new_id("output")
        output = f"{paths['S3OutputPath'].rstrip('/')}/{request.get('Filename') or file}.out"
        failure = f"{paths.get('S3FailurePath', paths['S3OutputPath']).rstrip('/')}/{file}-error.out"
        seconds = request.get("RequestTTLSeconds", _TTL_SECONDS)
        key_id, proof = self._signer(call, seconds)
        asked = AsyncRequest(
            project=call.project,
            key_id=key_id,
            endpoint=request["EndpointName"],
            headers={**{header: request[name] for name, header in _HEADERS.items() if name in request}, **proof},
            input_uri=uri,
            output_uri=output,
            failure_uri=failure,
            expires_at=self._clock.now() + timedelta(seconds=seconds),
        )
        self._inference.submit(file, asked)
        return {"InferenceId": inference_id, "OutputLocation": output, "FailureLocation": failure}

    def _signer(self, call: Call, seconds: float) -> tuple[str, dict[str, str]]:
        """In whose name the endpoint is asked, and what proves it.

        What was accepted in the time of a temporary key is answered also after its end: with one that lasts for as
        long as the request may wait and be answered. It has the smallest role that calls models, which also reads.
        """
        if not call.session_token:
            return call.access_key, {}
        lasting = self._access_keys.lend(call.principal.name, call.project, Role.VIEWER, seconds + _ANSWER_SECONDS)
        return lasting.id, {SESSION_HEADER: lasting.session_token}

    def _paths(self, call: Call, name: str) -> dict[str, Any]:
        """OutputConfig of the endpoint's configuration.

        Raises:
            AwsError: there is no such endpoint, or it is not asynchronous.
        """
        document = self._documents.find(KIND, call.project, name)
        hosted = self._hosting.view(call.project, name).hosted
        if document is None or hosted is None:
            raise _refused(f"Endpoint {name} of account {call.account_id} not found.")
        config = document.content["configs"].get(hosted.label, {}).get("AsyncInferenceConfig")
        if config is None:
            raise _refused(f"Endpoint {name} is not configured for asynchronous inference.")
        paths: dict[str, Any] = config["OutputConfig"]
        return paths


def _refused(message: str) -> AwsError:
    return AwsError("ValidationError", message)
