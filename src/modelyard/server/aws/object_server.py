"""The S3 store of this platform: a SeaweedFS that is started when somebody has an access key, or a server elsewhere."""

import ctypes
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import structlog
from uvicorn._types import ASGISendCallable

from modelyard.control.access_keys.service import AccessKeyService
from modelyard.control.buckets.errors import S3UnavailableError
from modelyard.control.buckets.service import BucketService
from modelyard.dataplane.gateway.http.proxy import SocketProxy
from modelyard.kit.files import write_atomic
from modelyard.kit.unix_sockets import listens
from modelyard.server.aws.seaweed import (
    ENCRYPTION_KEY,
    ROOT_KEY,
    Ports,
    choose_ports,
    command,
    identities,
    is_installed,
    variables,
    write_security,
)
from modelyard.settings import Settings
from modelyard.storage.objects import S3Location

_log = structlog.get_logger(__name__)

LOOK_SECONDS = 2.0
START_SECONDS = 40.0
_WAIT_SECONDS = 0.05
_MAX_PAUSE_SECONDS = 30.0
_PR_SET_PDEATHSIG = 1
_BUSY = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>ServiceUnavailable</Code><Message>The S3 store ended in the middle of this request, and is started again.
</Message></Error>"""


class ObjectServer:
    """The store behind S3. `look` is one control duty's; everything else is safe from any thread.

    Args:
        settings: whether the store is ours, and where its data lie.
        keys: may use it directly, too.
        buckets: which of them may be used by whom.
        keeper: the control process that keeps the store of this database, if that is another one; else empty.

    Attributes:
        awake: set when the next look is wanted now.
        relay: passes requests on to it.
        host: that these must carry; empty: the client's own.
        is_own: whether it is started here.
    """

    def __init__(
        self, settings: Settings, keys: AccessKeyService, buckets: BucketService, keeper: Callable[[], str]
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._buckets = buckets
        self._keeper = keeper
        self._folder = settings.layout.buckets
        self._socket = settings.layout.sockets / "s3.sock"
        self._log_file = settings.layout.logs / "s3.log"
        self.awake = threading.Event()
        self.is_own = not settings.s3_url
        external = urlsplit(settings.s3_url)
        self.host = external.netloc
        self.relay = _relay_to(settings.s3_url) if self.host else SocketProxy(str(self._socket), _refuse)
        self._process: subprocess.Popen[bytes] | None = None
        self._proven: subprocess.Popen[bytes] | None = None
        self._ports: Ports | None = None
        self._is_wanted = False
        self._written = b""
        self._failures = 0
        self._next_start = 0.0

    def ready(self) -> S3Location:
        """See control.buckets.contracts.S3Store."""
        if self.host:
            settings = self._settings
            return S3Location(
                endpoint=settings.s3_url,
                access_key=settings.s3_access_key,
                secret=settings.s3_secret_key.get_secret_value(),
                region=settings.s3_region,
            )
        self._check_possible()
        self._is_wanted = True
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            self.awake.set()
            if time.monotonic() > deadline:
                raise S3UnavailableError("The S3 store does not come", hint=f"Its log says why: {self._log_file}.")
            time.sleep(_WAIT_SECONDS)
        ports = self._ports or choose_ports(self._folder)
        return S3Location(
            endpoint=f"http://127.0.0.1:{ports.s3}", access_key=ROOT_KEY, secret=self._keys.secret(ROOT_KEY)
        )

    def look(self) -> None:
        """One round of the duty: start it, notice its end, tell it of new keys and buckets."""
        if not self.is_own or not is_installed():
            return
        keys = self._keys.signing_keys()
        process = self._process
        if process is not None and (code := process.poll()) is not None:
            self._failures += 1
            self._next_start = time.monotonic() + min(_MAX_PAUSE_SECONDS, 0.5 * 2**self._failures)
            self._process = process = None
            _log.warning("s3 store ended", code=code, log=str(self._log_file))
        if process is None and (not (self._is_wanted or keys) or self._keeper()):
            return
        content = identities(keys, self._buckets.owners(), self._keys.secret(ROOT_KEY))
        is_new = content != self._written
        if is_new:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomic(self._folder / "identities.json", content, mode=0o600)
            self._written = content
        if process is None:
            if time.monotonic() >= self._next_start:
                self._start()
        elif is_new:
            process.send_signal(signal.SIGHUP)

    def _start(self) -> None:
        self._socket.unlink(missing_ok=True)
        self._ports = choose_ports(self._folder)
        write_security(self._folder)
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                command(self._folder, self._ports, self._socket),
                cwd=self._folder,
                env={**os.environ, **variables(self._keys.secret(ENCRYPTION_KEY))},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - it only sets a flag of the kernel's
            )
        address = {"url": f"http://127.0.0.1:{self._ports.s3}", "pid": self._process.pid}
        write_atomic(self._settings.layout.run / "s3.json", json.dumps(address).encode())
        _log.info("s3 store is started", pid=self._process.pid, url=address["url"])

    def _answers(self) -> bool:
        process = self._process
        if process is None or process.poll() is not None:
            return False
        if self._proven is not process and listens(self._socket):
            self._proven = process
        return self._proven is process

    def _check_possible(self) -> None:
        if self._settings.s3_url:
            raise S3UnavailableError("There is no S3 store: MODELYARD_S3_URL is `off`", hint="Leave it empty.")
        if not is_installed():
            raise S3UnavailableError(
                "There is no S3 store here", hint="pip install 'modelyard[aws]' where the platform runs."
            )
        if keeper := self._keeper():
            raise S3UnavailableError(
                f"The S3 store of this database is kept by another control process, '{keeper}'",
                hint="Give all of them one S3 server: MODELYARD_S3_URL.",
            )


def _relay_to(url: str) -> SocketProxy:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return SocketProxy("", _refuse, origin=(parts.scheme.encode(), (parts.hostname or "").encode(), port))


async def _refuse(send: ASGISendCallable, error: BaseException) -> None:
    _log.warning("s3 store did not answer", error=repr(error))
    headers = [(b"content-type", b"application/xml"), (b"content-length", b"%d" % len(_BUSY)), (b"retry-after", b"1")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": _BUSY, "more_body": False})


def _end_with_parent() -> None:
    """In the child: be killed when control is gone, however it went.

    It needs no time to end: what it has said to be stored is stored. Its own end takes over twenty seconds.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.umask(0o077)
