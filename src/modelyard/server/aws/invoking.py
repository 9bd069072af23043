"""Calls the gateway in the name of an access key, whose signature the gateway checks like any other."""

import json
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx

from modelyard.control.hosting.calling import Invocation
from modelyard.dataplane.gateway.signing import signed_headers
from modelyard.errors import UnavailableError

_ANSWER_SECONDS = 900.0  # what SageMaker allows an asynchronous request


class SignedInvoker:
    """Safe from any thread.

    Args:
        address_file: where the gateway says how it is reached.
        certificate: of the gateway, if it has TLS: this very certificate is trusted, whatever name it is for.
        secret_of: the secret of an access key.
    """

    def __init__(self, address_file: Path, certificate: Path | None, secret_of: Callable[[str], str]) -> None:
        self._address_file = address_file
        self._secret_of = secret_of
        verify: ssl.SSLContext | bool = True
        if certificate is not None:
            verify = ssl.create_default_context(cafile=str(certificate))
            verify.check_hostname = False
        self._client = httpx.Client(timeout=_ANSWER_SECONDS, verify=verify, trust_env=False)

    def call(self, key_id: str, endpoint: str, headers: Mapping[str, str], body: bytes) -> Invocation:
        """See hosting.calling.EndpointCaller."""
        path = f"/endpoints/{quote(endpoint, safe='')}/invocations"
        try:
            url = str(json.loads(self._address_file.read_bytes())["url"])
            named = {**headers, "host": urlsplit(url).netloc}
            signed = signed_headers(self._secret_of(key_id), key_id, path, named, body)
            answer = self._client.post(f"{url}{path}", content=body, headers=signed)
        except (OSError, ValueError, httpx.HTTPError) as error:
            raise UnavailableError(f"the gateway does not answer: {error}", hint="It is asked again.") from error
        return Invocation(answer.status_code, answer.content, answer.headers)
