"""Where the platform is and which token to send, if the caller does not say."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from modelyard.sdk.errors import NotConfiguredError

URL_VARIABLE, TOKEN_VARIABLE, HOME_VARIABLE = "MODELYARD_URL", "MODELYARD_TOKEN", "MODELYARD_HOME"
APPLICATIONS = ("registry", "jobs", "operations")


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Addresses and token.

    Attributes:
        url: of the gateway, and of every application that has no address of its own.
        token: sent with each request.
        applications: "registry", "jobs", "operations" -> address, for those that run alone.
    """

    url: str
    token: str
    applications: Mapping[str, str] = field(default_factory=dict)

    def address(self, path: str) -> str:
        """The whole address of a path: "/registry/v1/projects" is the Registry's, wherever that is."""
        return self.origin(path) + path

    def origin(self, path: str) -> str:
        """Who answers this path."""
        first = path.split("/", 2)[1]
        return self.applications.get("jobs" if first == "mlflow" else first, self.url)


class _Address(msgspec.Struct):
    url: str


def find_connection(
    url: str | None,
    token: str | None,
    home: Path | None = None,
    applications: Mapping[str, str | None] | None = None,
) -> Connection:
    """What is given, else the MODELYARD_* variables, else what a platform on this machine wrote down.

    A `home` that is given without an address means the platform of that state directory, whatever the variables say.
    The state directory's token is sent to that platform only, never to an address from elsewhere.

    Args:
        url: address of the gateway; MODELYARD_URL.
        token: MODELYARD_TOKEN.
        home: state directory of the platform on this machine; MODELYARD_HOME.
        applications: "registry", "jobs", "operations" -> its address; MODELYARD_REGISTRY_URL and so on.

    Raises:
        NotConfiguredError: no address is known, so no platform runs on this machine; or one that is no address.
    """
    folder = home or home_folder()
    variables = os.environ if url or home is None else {}
    local = local_url(folder)
    address = _checked(url or variables.get(URL_VARIABLE) or local or "", "url", folder)
    given = {name: (applications or {}).get(name) or variables.get(_variable(name)) for name in APPLICATIONS}
    others = {name: _checked(found, f"{name}_url", folder) for name, found in given.items() if found}
    secret = token or os.environ.get(TOKEN_VARIABLE) or ""
    if not secret and {address, *others.values()} == {local}:
        secret = _read_token(folder)
    return Connection(url=address, token=secret, applications=others)


def _checked(address: str, field: str, home: Path) -> str:
    if not address:
        raise NotConfiguredError(
            f"no platform runs in {home}, and no address was given",
            hint=f"Start one with `modelyard up`, or set {URL_VARIABLE} to where one runs.",
            field=field,
        )
    if not address.startswith(("http://", "https://")):
        raise NotConfiguredError(f"'{address}' is no address", hint="It looks like http://127.0.0.1:8470.", field=field)
    return address.rstrip("/")


def _variable(application: str) -> str:
    return f"MODELYARD_{application.upper()}_URL"


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
