"""This process's place among the control processes of its database."""

import os

import structlog

from modelyard.kit.files import write_atomic
from modelyard.kit.ids import new_id
from modelyard.settings import Home
from modelyard.storage.database import database_file
from modelyard.storage.presence import Alone, Among, Presence

CUT_OFF = 75  # EX_TEMPFAIL of sysexits.h: the supervisor starts it again

_log = structlog.get_logger(__name__)


def open_presence(url: str, applications: str, home: Home) -> Presence:
    """For the database `url`; not entered yet."""
    if database_file(url) is not None:
        return Alone()
    if not home.control_id.exists():
        write_atomic(home.control_id, new_id("control").encode(), mode=0o600)
    return Among(url, applications, home.control_id.read_text().strip(), home.duties, _leave)


def _leave() -> None:
    """Crash-only: what is under way here may be under way elsewhere by now, and the next start finds out."""
    _log.error("cut off from the database for too long; starting again")
    os._exit(CUT_OFF)
