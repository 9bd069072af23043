"""Streams over WebSocket: `/endpoints/{endpoint}/stream`, each message an inference request of the protocol, JSON."""

import re
from collections.abc import Mapping

from modelyard.dataplane.gateway.dialect import Headers, InferenceCall, Operation, PlainDialect, Target
from modelyard.errors import ModelyardError
from modelyard.protocols.open_inference.requests import parse
from modelyard.types.signatures import Signature

_PATH = re.compile(r"/endpoints/(?P<endpoint>[^/]+)(?:/versions/(?P<version>[^/]+))?/stream")


class OpenInferenceStream(PlainDialect):
    """Open Inference Protocol v2, one JSON request a message."""

    prefixes: tuple[str, ...] = ("/endpoints/",)

    def target(self, path: str) -> Target | None:
        """See Dialect."""
        found = _PATH.fullmatch(path)
        return Target(Operation.STREAM, found["endpoint"], found["version"] or "") if found else None

    def parse(self, body: bytes, headers: Headers, signature: Signature) -> InferenceCall:
        """See Dialect."""
        return parse(body, headers, signature)

    def error_fields(self, error: ModelyardError) -> Mapping[str, object]:
        """See Dialect."""
        return {"error": error.message}
