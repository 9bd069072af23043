"""The command line of the server programs: options that all have, and the settings that come of them."""

import argparse
from pathlib import Path

from pydantic import ValidationError

from modelyard.errors import InvalidInputError
from modelyard.settings import Settings


class SettingsInvalidError(InvalidInputError):
    """An option, a MODELYARD_* variable or a line of config.toml has a value that it cannot have."""

    code = "settings_invalid"


def add_listen_options(parser: argparse.ArgumentParser) -> None:
    """State directory, address and TLS."""
    parser.add_argument("--home", type=Path, help="state directory")
    parser.add_argument("--host", help="address to listen on")
    parser.add_argument("--port", type=int, help="port; 0 lets the system choose")
    parser.add_argument("--tls-certificate", type=Path, help="PEM file; needed to listen beyond loopback")
    parser.add_argument("--tls-key", type=Path, help="PEM file of the certificate's private key")
    parser.add_argument("--insecure", action="store_true", default=None, help="listen beyond loopback without TLS")


def read_settings(given: dict[str, object]) -> Settings:
    """The settings in force, with those that were given (None: not given) before all others.

    Raises:
        SettingsInvalidError: a value is not valid.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        fault = error.errors()[0]
        name = ".".join(str(part) for part in fault["loc"])
        option, variable = f"--{name.replace('_', '-')}", f"MODELYARD_{name.upper()}"
        raise SettingsInvalidError(
            f"The setting '{name}' cannot be {fault.get('input')!r}: {fault['msg']}",
            hint=f"Look at {option}, {variable} and config.toml in the state directory.",
            field=name,
        ) from error
    except ValueError as error:  # the TOML reader's
        raise SettingsInvalidError(f"config.toml cannot be read: {error}", hint="Correct or remove it.") from error
