"""The paths of /invocations, as a dialect of the gateway."""

import re
from collections.abc import Mapping, Sequence

from modelyard.dataplane.errors import UnsupportedMediaTypeError
from modelyard.dataplane.gateway.dialect import Headers, InferenceCall, Operation, Target
from modelyard.protocols.inputs import checked
from modelyard.protocols.invocations.answers import Call, accepted
from modelyard.protocols.invocations.csv_body import parse_csv
from modelyard.protocols.invocations.json_body import parse_json
from modelyard.types.signatures import Signature

_PATH = re.compile(r"/endpoints/(?P<endpoint>[^/]+)/(?P<verb>invocations|ping)")
_VERBS = {"invocations": Operation.INFER, "ping": Operation.ENDPOINT_READY}
_JSON_TYPES = ("application/json", "application/x-json", "")


class Invocations:
    """SageMaker's way to call a model, and TensorFlow Serving's bodies."""

    prefixes: tuple[str, ...] = ("/endpoints/",)

    def target(self, path: str) -> Target | None:
        """See Dialect."""
        found = _PATH.fullmatch(path)
        return Target(_VERBS[found["verb"]], found["endpoint"]) if found else None

    def parse(self, body: bytes, headers: Headers, signature: Signature) -> InferenceCall:
        """See Dialect."""
        is_csv, has_header = accepted(headers.get(b"accept"))
        sent = headers.get(b"content-type", b"").decode("latin-1")
        media_type, _, parameters = sent.partition(";")
        media_type = media_type.strip().lower()
        if media_type == "text/csv":
            tensors = parse_csv(body, signature, parameters.lower())
        elif media_type in _JSON_TYPES or media_type.endswith("+json"):
            tensors = parse_json(body, signature)
        else:
            raise UnsupportedMediaTypeError(
                f"Content-Type '{sent[:80]}' is not what this path takes", hint="Send application/json or text/csv."
            )
        inputs, rows = checked(signature, tensors)
        return Call(inputs, rows, is_csv=is_csv, has_header=has_header)

    def describe_server(self) -> Mapping[str, object]:
        """See Dialect: no path asks for it."""
        return {}

    def describe_endpoint(self, endpoint: str, versions: Sequence[str], signature: Signature) -> Mapping[str, object]:
        """See Dialect: no path asks for it."""
        return {"name": endpoint, "versions": list(versions), "inputs": [spec.name for spec in signature.inputs]}

    def error_fields(self, message: str) -> Mapping[str, object]:
        """See Dialect: the uniform body says it all."""
        del message
        return {}
