"""The paths of /invocations, as a dialect of the gateway."""

import re
from collections.abc import Callable, Sequence

from modelyard.dataplane.errors import UnsupportedMediaTypeError
from modelyard.dataplane.gateway.dialect import (
    Headers,
    InferenceCall,
    Operation,
    PlainDialect,
    Refusal,
    Target,
    UndecodedError,
)
from modelyard.dataplane.gateway.signing import is_signed
from modelyard.dataplane.tensors import WireTensor
from modelyard.errors import ModelyardError
from modelyard.kit.foreign_names import own_name, target_name
from modelyard.protocols.inputs import checked
from modelyard.protocols.invocations.algorithms.series import parse_series
from modelyard.protocols.invocations.algorithms.texts import parse_texts
from modelyard.protocols.invocations.answers import Call
from modelyard.protocols.invocations.aws import TARGET_MODEL, check_undivided, refusal, variant_of
from modelyard.protocols.invocations.bodies import BodyCall, EventStreamCall
from modelyard.protocols.invocations.csv_body import parse_csv
from modelyard.protocols.invocations.encoded import ENCODED
from modelyard.protocols.invocations.json_body import parse_json, parse_lines
from modelyard.protocols.invocations.media_types import Format, Wanted, format_of, wanted
from modelyard.protocols.invocations.npy import output_of, parse_npy
from modelyard.types.serving.bodies import takes_bodies
from modelyard.types.serving.forecasts import SERIES
from modelyard.types.serving.texts import SENTENCE, WORDS
from modelyard.types.signatures import Signature

_PATH = re.compile(r"/endpoints/(?P<endpoint>[^/]+)/(?P<verb>invocations|ping)")
_STREAM_PATH = re.compile(r"/endpoints/(?P<endpoint>[^/]+)/invocations-response-stream")
_ASYNC_PATH = re.compile(r"/endpoints/[^/]+/async-invocations")
_OWN_WORDS = (SENTENCE, WORDS, SERIES)
_VERBS = {"invocations": Operation.INFER, "ping": Operation.ENDPOINT_READY}


class Invocations(PlainDialect):
    """SageMaker's and MLflow's way to call a model."""

    prefixes: tuple[str, ...] = ("/endpoints/",)
    composes = True

    def target(self, path: str) -> Target | None:
        """See Dialect."""
        found = _PATH.fullmatch(path)
        return Target(_VERBS[found["verb"]], own_name(found["endpoint"]), detail=found["endpoint"]) if found else None

    def leaves(self, path: str) -> bool:
        """See Dialect: asynchronous requests are kept by control."""
        return _ASYNC_PATH.fullmatch(path) is not None

    def version(self, target: Target, headers: Headers) -> str:
        """See Dialect."""
        return variant_of(headers) or target.version

    def part(self, target: Target, headers: Headers) -> str:
        """See Dialect: the model of a multi-model endpoint that a signed request names."""
        key = headers.get(TARGET_MODEL)
        if not key or not is_signed(headers.get(b"authorization")):
            return ""
        return own_name(target_name(target.detail, key.decode("latin-1")))

    def check_whole(self, target: Target, headers: Headers) -> None:
        """See Dialect: clients of AWS may name a model, a container or a component."""
        if is_signed(headers.get(b"authorization")):
            check_undivided(target.detail, headers)

    def refusal(self, error: ModelyardError, headers: Headers) -> Refusal | None:
        """See Dialect."""
        return refusal(error, headers)

    def parse(self, body: bytes, headers: Headers, signature: Signature) -> InferenceCall:
        """See Dialect."""
        if takes_bodies(signature):
            return BodyCall(body, headers)
        if signature.inputs[0].name in _OWN_WORDS:
            own = parse_texts(body, headers, signature) or parse_series(body, headers, signature)
            if own is not None:
                return own
        answer = wanted(headers.get(b"accept"))
        npy_output = output_of(signature) if answer.format is Format.NPY else ""
        sent = headers.get(b"content-type", b"").decode("latin-1")
        media, parameters = format_of(sent)
        if media is Format.JSON:
            tensors = parse_json(body, signature)
        elif media is Format.CSV:
            tensors = parse_csv(body, signature, parameters)
        elif media is Format.JSON_LINES:
            tensors = parse_lines(body, signature)
        elif media is Format.NPY:
            tensors = parse_npy(body, signature)
        elif media is not None and media in ENCODED:
            job_of, tensors_of = ENCODED[media]
            finish = _finish(tensors_of, signature, answer, npy_output, headers, body)
            raise UndecodedError(job_of(body, signature), finish)
        else:
            raise UnsupportedMediaTypeError(
                f"Content-Type '{sent[:80]}' is not what this path takes",
                hint=f"Send {', '.join(Format)}.",
            )
        return Call(*checked(signature, tensors), answer, npy_output, headers, body)


class InvocationsResponseStream(Invocations):
    """The same with an answer in parts, as SageMaker's clients read them."""

    def target(self, path: str) -> Target | None:
        """See Dialect."""
        found = _STREAM_PATH.fullmatch(path)
        return Target(Operation.INFER, own_name(found["endpoint"]), detail=found["endpoint"]) if found else None

    def parse(self, body: bytes, headers: Headers, signature: Signature) -> InferenceCall:
        """See Dialect."""
        try:
            return EventStreamCall(super().parse(body, headers, signature))
        except UndecodedError as undecoded:
            finish = undecoded.finish
            raise UndecodedError(undecoded.job, lambda decoded: EventStreamCall(finish(decoded))) from None


def _finish(
    tensors_of: Callable[[Signature, Sequence[WireTensor]], list[WireTensor]],
    signature: Signature,
    answer: Wanted,
    npy_output: str,
    headers: Headers,
    body: bytes,
) -> Callable[[Sequence[WireTensor]], InferenceCall]:
    """What makes a call of a decoded body."""
    return lambda decoded: Call(*checked(signature, tensors_of(signature, decoded)), answer, npy_output, headers, body)
