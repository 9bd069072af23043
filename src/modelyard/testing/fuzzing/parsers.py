"""Bodies and frames: what is wrong is refused with an error of the caller's kind, and nothing else gets through."""

from collections.abc import Sequence
from math import prod

from modelyard.dataplane.frames import FrameInvalidError, FrameReader, Infer
from modelyard.dataplane.gateway.dialect import Dialect
from modelyard.dataplane.gateway.http.responses import status_of
from modelyard.dataplane.served_model import ServedModel
from modelyard.dataplane.tensors import ITEM_BYTES, WireTensor, split_rows, strings_of
from modelyard.errors import ModelyardError
from modelyard.protocols.invocations.dialect import Invocations
from modelyard.protocols.open_inference.rest import OpenInferenceRest
from modelyard.testing import echo_model
from modelyard.types.signatures import DataType, Signature, TensorSpec

SIGNATURES = (
    echo_model.SIGNATURE,
    Signature(
        inputs=(
            TensorSpec(name="numeric", datatype=DataType.FP32, shape=(-1, 2), columns=("a", "b")),
            TensorSpec(name="categorical", datatype=DataType.BYTES, shape=(-1, 1), columns=("c",)),
        ),
        outputs=(TensorSpec(name="label", datatype=DataType.BYTES, shape=(-1,)),),
    ),
    Signature(
        inputs=(TensorSpec(name="image", datatype=DataType.UINT8, shape=(-1, 2, 2)),),
        outputs=(TensorSpec(name="score", datatype=DataType.FP64, shape=(-1, 1)),),
    ),
)
_CLIENT_ERRORS = range(400, 500)
_PREFIX_BYTES = 3
_OPEN_INFERENCE, _INVOCATIONS = OpenInferenceRest(), Invocations()


class _Nobody:
    """A connection whose other end does not look at the answers."""

    channel = 0

    def send(self, frame: bytes) -> None:
        """See served_model.ModelConnection."""

    def close(self) -> None:
        """See served_model.ModelConnection."""


_server = ServedModel(echo_model.SIGNATURE, echo_model.EchoPredictor(1, slow_share=0.0), is_pure=True)


def open_inference(data: bytes) -> None:
    """Open Inference bodies: one byte chooses the signature, two say how long the JSON is; 0: there is nothing else."""
    if len(data) >= _PREFIX_BYTES:
        json_bytes = int.from_bytes(data[1:_PREFIX_BYTES], "little")
        headers = {b"inference-header-content-length": b"%d" % json_bytes} if json_bytes else {}
        _parse(_OPEN_INFERENCE, data[_PREFIX_BYTES:], headers, data[0])


def invocations_json(data: bytes) -> None:
    """JSON bodies of /invocations: the first byte chooses the signature."""
    if data:
        _parse(_INVOCATIONS, data[1:], {b"content-type": b"application/json"}, data[0])


def invocations_csv(data: bytes) -> None:
    """CSV bodies of /invocations behind a line with parameters of Content-Type, `|`, and an Accept header."""
    if data:
        line, _, body = data[1:].partition(b"\n")
        parameters, _, accept = line.partition(b"|")
        headers = {b"content-type": b"text/csv;" + parameters} | ({b"accept": accept} if accept else {})
        _parse(_INVOCATIONS, body, headers, data[0])


def frames(data: bytes) -> None:
    """The stream between gateway and worker, cut in two: the worker answers what is a request, and drops the rest."""
    cut = data[0] % len(data) if data else 0
    reader = FrameReader(max_frame_bytes=1 << 20)
    try:
        for part in (data[:cut], data[cut:]):
            for header, body in reader.feed(part):
                if isinstance(header, Infer) and header.parts <= 0:  # a stream takes an event loop
                    _server.received(_Nobody(), header, body)
    except FrameInvalidError:
        return


def strings(data: bytes) -> None:
    """BYTES tensors in an answer: cut at their lengths, or refused."""
    tensor = WireTensor("text", DataType.BYTES, (data[0] if data else 0,), data[1:])
    try:
        parts = split_rows(tensor, [1] * tensor.shape[0]) if tensor.shape[0] else []
        texts = [text for part in parts for text in strings_of(part)]
    except ValueError:
        return
    assert len(texts) == len(parts), "a string was lost or split"  # noqa: S101 - this is what a fuzzer looks for


def _parse(dialect: Dialect, body: bytes, headers: dict[bytes, bytes], choice: int) -> None:
    signature = SIGNATURES[choice % len(SIGNATURES)]
    try:
        call = dialect.parse(body, headers, signature)
    except ModelyardError as error:
        refusal = error
    else:
        _assert_fits(signature, call.inputs, call.rows)
        return
    assert status_of(refusal) in _CLIENT_ERRORS, f"{refusal.code} is not the caller's fault"  # noqa: S101
    assert refusal.message, "a refusal must say why"  # noqa: S101
    assert refusal.hint, f"{refusal.code} does not say what to do"  # noqa: S101


def _assert_fits(signature: Signature, inputs: Sequence[WireTensor], rows: int) -> None:
    assert [tensor.name for tensor in inputs] == [spec.name for spec in signature.inputs]  # noqa: S101
    for tensor, spec in zip(inputs, signature.inputs, strict=True):
        assert tensor.datatype is spec.datatype  # noqa: S101
        assert tensor.shape[0] == rows > 0  # noqa: S101
        assert all(want in (-1, got) for got, want in zip(tensor.shape, spec.shape, strict=True))  # noqa: S101
        if tensor.datatype is DataType.BYTES:
            assert len(strings_of(tensor)) == prod(tensor.shape)  # noqa: S101
        else:
            assert len(tensor.data) == prod(tensor.shape) * ITEM_BYTES[tensor.datatype]  # noqa: S101
