"""What a model host is told, and how it answers: one JSON object each, a line each, on its control socket."""

import socket
from pathlib import Path

import msgspec

from modelyard.dataplane.errors import WorkerUnavailableError
from modelyard.dataplane.hosting.layout import CONTROL
from modelyard.runtimes.base import ArtifactInvalidError

ORDER_SECONDS = 120.0
"""How long an order may take: a batch of another model may be under way."""


class Load(msgspec.Struct, frozen=True, tag="load"):
    """Serve the bundle that lies at `place`; no effect if it is served already.

    Attributes:
        place: folder of the bundle among the host's, and name of the model's socket.
        title: what the model is, for people.
        project: whose it is; a host serves models of one project only.
    """

    place: str
    title: str
    project: str


class Unload(msgspec.Struct, frozen=True, tag="unload"):
    """Finish what the model holds, then forget it; answered at once. No effect if it is not there."""

    place: str


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The order was carried out, or is on its way."""


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """It was not, because of the model or of the order."""

    message: str
    hint: str = ""


Order = Load | Unload
Reply = Done | Refused

order_decoder: msgspec.json.Decoder[Order] = msgspec.json.Decoder(Order)
_reply_decoder: msgspec.json.Decoder[Reply] = msgspec.json.Decoder(Reply)


def give_order(folder: Path, order: Order, timeout_seconds: float = ORDER_SECONDS) -> None:
    """Have an order carried out by the host in `folder`.

    Raises:
        ArtifactInvalidError: it refused the order.
        WorkerUnavailableError: it does not answer.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_seconds)
            connection.connect(str(folder / CONTROL))
            connection.sendall(msgspec.json.encode(order) + b"\n")
            with connection.makefile("rb") as answers:
                reply = _reply_decoder.decode(answers.readline())
    except (OSError, msgspec.DecodeError) as error:
        raise WorkerUnavailableError(
            f"the model host in '{folder}' did not carry out an order: {error}", hint="Look at its log."
        ) from error
    if isinstance(reply, Refused):
        raise ArtifactInvalidError(reply.message, hint=reply.hint)
