"""Asks the gateway, with the token of whoever asked: its rules of admission and its captures hold here too."""

import json
import ssl
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import msgspec

from modelyard.errors import ModelyardError, UnavailableError
from modelyard.kit.cells import as_scalar
from modelyard.types.tensors import JsonTensor

_ATTEMPTS = 6
_LONGEST_PAUSE_SECONDS = 5.0
_ANSWER_SECONDS = 120.0
_BUSY = (429, 503)


class Fault(NamedTuple):
    """Why rows were not answered."""

    code: str
    message: str

    @property
    def is_about_rows(self) -> bool:
        """The rows themselves are wrong, so others may be right."""
        return self.code not in ("unauthenticated", "permission_denied", "endpoint_not_found", "unavailable")


class Answered(NamedTuple):
    """An answer to some rows."""

    inference_id: str
    predictions: list[Any]


class Inferred(NamedTuple):
    """An answer with all that came with it."""

    inference_id: str
    version: str
    variant: str
    outputs: list[JsonTensor]


class GatewayCaller:
    """Sends rows. Safe from any thread.

    Args:
        address_file: where the gateway says how it is reached.
        certificate: of the gateway, if it has TLS: this very certificate is trusted, whatever name it is for.
    """

    def __init__(self, address_file: Path, certificate: Path | None) -> None:
        self._address_file = address_file
        verify: ssl.SSLContext | bool = True
        if certificate is not None:
            verify = ssl.create_default_context(cafile=str(certificate))
            verify.check_hostname = False
        self._client = httpx.Client(timeout=_ANSWER_SECONDS, verify=verify, trust_env=False)

    def ask(
        self, project: str, endpoint: str, variant: str | None, names: list[str], rows: list[list[Any]], token: str
    ) -> Answered | Fault:
        """The answer to some rows; a busy gateway is asked again for a while.

        Raises:
            UnavailableError: there is no gateway.
        """
        body = {"dataframe_split": {"columns": names, "data": rows}}
        answer = self._post(project, f"/endpoints/{_place(endpoint, variant)}/invocations", body, token)
        if answer.status_code != httpx.codes.OK:
            return _fault(answer)
        return Answered(answer.headers["X-Modelyard-Inference-Id"], answer.json()["predictions"])

    def infer(
        self, project: str, endpoint: str, variant: str | None, inputs: list[JsonTensor], token: str
    ) -> Inferred | Fault:
        """The answer to some tensors, likewise.

        Raises:
            UnavailableError: there is no gateway.
        """
        body = {"inputs": [asdict(tensor) for tensor in inputs]}
        answer = self._post(project, f"/v2/models/{_place(endpoint, variant)}/infer", body, token)
        if answer.status_code != httpx.codes.OK:
            return _fault(answer)
        headers, outputs = answer.headers, answer.json()["outputs"]
        return Inferred(
            headers["X-Modelyard-Inference-Id"],
            headers["X-Modelyard-Model"],
            headers["X-Modelyard-Variant"],
            msgspec.convert(outputs, list[JsonTensor]),
        )

    def _post(self, project: str, path: str, body: object, token: str) -> httpx.Response:
        """The gateway's last answer; a busy one is asked again."""
        headers = {"Authorization": token, "X-Modelyard-Project": project, "Content-Type": "application/json"}
        content = json.dumps(body).encode()
        for attempt in range(_ATTEMPTS):
            try:
                answer = self._client.post(f"{self._url()}{path}", content=content, headers=headers)
            except httpx.HTTPError as error:
                raise _no_gateway(str(error)) from error
            if answer.status_code not in _BUSY or attempt == _ATTEMPTS - 1:
                break
            asked = as_scalar(answer.headers.get("Retry-After", ""))
            pause = float(asked) if isinstance(asked, int | float) else 0.1 * 2**attempt
            time.sleep(min(_LONGEST_PAUSE_SECONDS, max(0.1, pause)))
        return answer

    def figures(self) -> str:
        """The gateway's figures, in Prometheus' text form; it gives them to this machine without a token.

        Raises:
            UnavailableError: there is no gateway.
        """
        try:
            answer = self._client.get(f"{self._url()}/metrics")
        except httpx.HTTPError as error:
            raise _no_gateway(str(error)) from error
        return answer.text if answer.status_code == httpx.codes.OK else ""

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _url(self) -> str:
        try:
            return str(json.loads(self._address_file.read_bytes())["url"])
        except (OSError, ValueError, KeyError) as error:
            raise _no_gateway(str(error)) from error


def _place(endpoint: str, variant: str | None) -> str:
    version = "" if variant is None else f"/versions/{quote(variant, safe='')}"
    return f"{quote(endpoint, safe='')}{version}"


def _fault(answer: httpx.Response) -> Fault:
    try:
        body = answer.json()
        return Fault(str(body["code"]), str(body["message"]))
    except (ValueError, KeyError, TypeError):
        return Fault(ModelyardError.code, f"the gateway answered with status {answer.status_code}")


def _no_gateway(reason: str) -> UnavailableError:
    return UnavailableError(f"The gateway cannot be reached: {reason}", hint="Try again; see `modelyard status`.")
