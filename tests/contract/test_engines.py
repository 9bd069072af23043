"""The engine contract over the local engine, in every sandbox of this machine, with and without control groups."""

import os
import signal
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from modelyard.engines.base import SandboxTooWeakError
from modelyard.engines.local import cgroups
from modelyard.engines.local.engine import LocalEngine
from modelyard.engines.local.records import Records
from modelyard.engines.local.sandbox import confine, levels
from modelyard.testing.engine import EngineCase, EngineConformance, FencedEngineConformance, home_with_secrets
from modelyard.types.processes import SandboxLevel

HAS_GROUPS = cgroups.version_in_use() is not None
# Each sandbox, each way to limit; not each with each, for they do not know of one another.
FENCED = [
    *([(SandboxLevel.BUBBLEWRAP, True)] if levels.bubblewrap() and HAS_GROUPS else []),
    *([(SandboxLevel.BUBBLEWRAP, False)] if levels.bubblewrap() else []),
    *([(SandboxLevel.LANDLOCK, False)] if confine.landlock_abi() else []),
]


def make_case(root: Path, level: SandboxLevel, has_cgroups: bool) -> EngineCase:
    home, secrets, work = home_with_secrets(root)

    def kill_supervisor(process_id: str) -> None:
        pid = Records(home.processes).holder(process_id)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    def open_engine() -> LocalEngine:
        return LocalEngine(home, level=level, has_cgroups=has_cgroups)

    return EngineCase(open=open_engine, kill_supervisor=kill_supervisor, folder=work, secrets=secrets)


class TestFencedLocalEngine(FencedEngineConformance):
    @pytest.fixture(params=FENCED, ids=lambda pair: f"{pair[0]}-{'groups' if pair[1] else 'watch'}")
    def case(self, request, tmp_path):
        return make_case(tmp_path, *request.param)


class TestLocalEngineWithLimitsOnly(EngineConformance):
    @pytest.fixture
    def case(self, tmp_path):
        return make_case(tmp_path, SandboxLevel.RLIMITS, HAS_GROUPS)


LOOPBACK = """
import socket, sys
listener = socket.create_server(("127.0.0.1", 0))
socket.create_connection(listener.getsockname(), 5).sendall(b"hello")
assert listener.accept()[0].recv(9) == b"hello"
ROUTE, NETFILTER = 0, 12
assert [name for _, name in socket.if_nameindex()] == ["lo"]
socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, ROUTE).close()
for make in (
    lambda: socket.create_connection(("127.0.0.1", PORT), 2),
    lambda: socket.socket(socket.AF_PACKET),
    lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETFILTER),
):
    try:
        make()
    except OSError as error:
        print(error)
    else:
        sys.exit(3)
"""


def test_a_loopback_of_its_own_reaches_itself_and_nobody_else(tmp_path: Path):
    case = make_case(tmp_path, SandboxLevel.BUBBLEWRAP, HAS_GROUPS)
    with socket.create_server(("127.0.0.1", 0)) as outside:
        source = LOOPBACK.replace("PORT", str(outside.getsockname()[1]))
        end = case.run(replace(case.python(source), has_loopback=True))
        assert end.exit_code == 0, end


def test_a_sandbox_that_cannot_give_a_loopback_says_so(tmp_path: Path):
    case = make_case(tmp_path, SandboxLevel.LANDLOCK, False)
    with pytest.raises(SandboxTooWeakError, match="no loopback of its own"):
        case.run(replace(case.python("pass"), has_loopback=True))
