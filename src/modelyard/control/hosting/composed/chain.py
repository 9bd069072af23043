"""Passes a request through containers: what one answers, the next is asked.

Source: Amazon SageMaker Developer Guide, "Inference pipelines in Amazon SageMaker AI".
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from modelyard.control.hosting.calling import EndpointCaller, Invocation
from modelyard.errors import OverloadedError

_AT_A_TIME = 24  # each holds a thread of control, which has 40: the REST APIs go on being answered
_OK = range(200, 300)
_CONTENT_TYPE, _ACCEPT = "content-type", "accept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One container of a chain.

    Attributes:
        endpoint: the name of its endpoint, as the gateway knows it.
        hostname: what errors call it.
        accept: what it is asked to answer with when it is not the last; empty: what it likes.
    """

    endpoint: str
    hostname: str
    accept: str = ""


class Passage(NamedTuple):
    """What came out: of the last container, or of the first that refused."""

    hostname: str
    answer: Invocation


class ContainerChain:
    """Safe from any thread."""

    def __init__(self, caller: EndpointCaller) -> None:
        self._caller = caller
        self._places = threading.BoundedSemaphore(_AT_A_TIME)

    def run(self, key_id: str, links: Sequence[Link], headers: Mapping[str, str], body: bytes) -> Passage:
        """Ask one container after the other, in the name of an access key.

        Args:
            key_id: of whoever asks.
            links: at least one.
            headers: of the request, names in lower case.
            body: of the request.

        Raises:
            OverloadedError: too many requests are on their way.
            TemporaryError: there is no gateway.
        """
        if not self._places.acquire(blocking=False):
            raise OverloadedError(
                f"{_AT_A_TIME} requests to endpoints of several models are on their way",
                hint="Send it again in a moment.",
            )
        try:
            return self._run(key_id, links, headers, body)
        finally:
            self._places.release()

    def _run(self, key_id: str, links: Sequence[Link], headers: Mapping[str, str], body: bytes) -> Passage:
        last, passage = links[-1], None
        for link in links:
            wanted = headers.get(_ACCEPT, "") if link is last else link.accept
            sent = {name: value for name, value in headers.items() if name != _ACCEPT}
            answer = self._caller.call(key_id, link.endpoint, {**sent, _ACCEPT: wanted} if wanted else sent, body)
            passage = Passage(link.hostname, answer)
            if answer.status not in _OK:
                break
            headers = {**headers, _CONTENT_TYPE: answer.headers.get(_CONTENT_TYPE, "")}
            body = answer.body
        assert passage is not None  # noqa: S101 - there is at least one link
        return passage
