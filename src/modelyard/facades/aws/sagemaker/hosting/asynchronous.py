"""InvokeEndpointAsync: objects in and out."""

from datetime import timedelta
from typing import Any

from modelyard.control.documents.service import DocumentService
from modelyard.control.hosting.asynchronous import AsyncInference, AsyncRequest
from modelyard.control.hosting.service import HostingService
from modelyard.facades.aws.sagemaker.hosting.endpoints import KIND
from modelyard.facades.aws.sagemaker.hosting.listing import session_header
from modelyard.facades.aws.wire.errors import AwsError
from modelyard.facades.aws.wire.operations import Answer, Call, Request, operation
from modelyard.kit.clock import Clock
from modelyard.kit.ids import new_id
from modelyard.types.access import Action

_TTL_SECONDS = 6 * 3600
_HEADERS = {
    "ContentType": "content-type",
    "Accept": "accept",
    "CustomAttributes": "x-amzn-sagemaker-custom-attributes",
}


class AsyncOperations:
    """Asynchronous requests to endpoints that were configured for them."""

    def __init__(
        self, documents: DocumentService, hosting: HostingService, inference: AsyncInference, clock: Clock
    ) -> None:
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
        asked = AsyncRequest(
            project=call.project,
            key_id=call.access_key,
            endpoint=request["EndpointName"],
            headers={
                **{header: request[name] for name, header in _HEADERS.items() if name in request},
                **session_header(call),
            },
            input_uri=uri,
            output_uri=output,
            failure_uri=failure,
            expires_at=self._clock.now() + timedelta(seconds=request.get("RequestTTLSeconds", _TTL_SECONDS)),
        )
        self._inference.submit(file, asked)
        return {"InferenceId": inference_id, "OutputLocation": output, "FailureLocation": failure}

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
