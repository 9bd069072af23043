"""The gateway's side of the decoding process: starts it when it is needed, asks it one thing at a time."""

import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from modelyard.dataplane.decoding.messages import PREFIX, Decoded, Job, Refused, pack
from modelyard.dataplane.errors import BodyInvalidError, DeadlineExceededError
from modelyard.dataplane.tensors import WireTensor
from modelyard.errors import OverloadedError, TooLargeError

_MAX_WAITING = 64
_ENVIRONMENT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL")  # no secrets

_answers: msgspec.msgpack.Decoder[Decoded | Refused] = msgspec.msgpack.Decoder(Decoded | Refused)


class Decoder:
    """Decodes bodies outside this process. For the event loop's thread only."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def decode(self, job: Job, timeout_seconds: float) -> Sequence[WireTensor]:
        """The tensors in a body.

        Raises:
            InvalidInputError: it cannot be decoded, or to too much.
            OverloadedError: too many bodies wait already.
            DeadlineExceededError: not within the time.
        """
        if self._waiting >= _MAX_WAITING:
            raise OverloadedError(f"{self._waiting} bodies wait to be decoded, which is the limit", hint="Wait a bit.")
        self._waiting += 1
        try:
            async with asyncio.timeout(timeout_seconds), self._turn:
                answer = await self._ask(job)
        except TimeoutError:
            raise DeadlineExceededError(
                "the body was not decoded within the request's time", hint="Send fewer rows, or a smaller image."
            ) from None
        finally:
            self._waiting -= 1
        if isinstance(answer, Refused):
            kind = TooLargeError if answer.is_too_large else BodyInvalidError
            raise kind(answer.message, hint=answer.hint, field=answer.field)
        return [WireTensor(each.name, each.datatype, each.shape, each.data) for each in answer.columns]

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()

    async def _ask(self, job: Job) -> Decoded | Refused:
        process = self._process
        if process is None or process.returncode is not None:
            process = self._process = await self._start()
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - both are pipes
        try:
            process.stdin.write(pack(job))
            await process.stdin.drain()
            size = PREFIX.unpack(await process.stdout.readexactly(PREFIX.size))[0]
            return _answers.decode(await process.stdout.readexactly(size))
        except (asyncio.IncompleteReadError, OSError):
            self.close()
            raise BodyInvalidError(
                f"the body ended the process that decodes it (code {await process.wait()})",
                hint="It is damaged, or takes too much memory: write it again, or send less of it.",
            ) from None
        except BaseException:
            self.close()  # it is in the middle of an answer that nobody will read
            raise

    async def _start(self) -> asyncio.subprocess.Process:
        command = ("-B", "-m", "modelyard.dataplane.decoding", "--limit-bytes", str(self._limit_bytes))
        pipe = asyncio.subprocess.PIPE
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        return await asyncio.create_subprocess_exec(sys.executable, *command, stdin=pipe, stdout=pipe, env=environment)
