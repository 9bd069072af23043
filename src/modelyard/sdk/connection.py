"""Where the platform is and which token to send, if the caller does not say."""

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from modelyard.sdk.errors import NotConfiguredError

URL_VARIABLE, TOKEN_VARIABLE, HOME_VARIABLE = "MODELYARD_URL", "MODELYARD_TOKEN", "MODELYARD_HOME"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Address and token."""

    url: str
    token: str


class _Address(msgspec.Struct):
    url: str


def find_connection(url: str | None, token: str | None, home: Path | None = None) -> Connection:
    """What is given, else MODELYARD_URL and MODELYARD_TOKEN, else what a platform on this machine wrote down.

    The state directory's token is sent to that platform only, never to an address from elsewhere.

    Raises:
        NotConfiguredError: no address is known, so no platform runs on this machine.
    """
    folder = home or home_folder()
    address = url or os.environ.get(URL_VARIABLE) or ""
    secret = token or os.environ.get(TOKEN_VARIABLE) or ""
    local = local_url(folder)
    if not address:
        if local is None:
            raise NotConfiguredError(
                f"no platform runs in {folder}, and no address was given",
                hint=f"Start one with `modelyard up`, or set {URL_VARIABLE} to where one runs.",
                field="url",
            )
        address = local
    address = address.rstrip("/")
    if not secret and address == local:
        secret = _read_token(folder)
    if not address.startswith(("http://", "https://")):
        raise NotConfiguredError(f"'{address}' is no address", hint="It looks like http://127.0.0.1:8470.", field="url")
    return Connection(url=address, token=secret)


def home_folder() -> Path:
    """The state directory that is in force for this user."""
    given = os.environ.get(HOME_VARIABLE)
    return Path(given).expanduser() if given else Path.home() / ".modelyard"


def local_url(home: Path) -> str | None:
    """Where the platform of a state directory listens, if it wrote that down."""
    try:
        return msgspec.json.decode((home / "run" / "gateway.json").read_bytes(), type=_Address).url.rstrip("/")
    except (OSError, msgspec.DecodeError):
        return None


def _read_token(home: Path) -> str:
    try:
        return (home / "admin.token").read_text().strip()
    except OSError:
        return ""
