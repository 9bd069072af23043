"""Clients on one event loop: some ask politely, some pipeline, dribble, send junk, or leave without a word."""

import asyncio
import itertools
import json
import random
from collections.abc import AsyncIterator, Iterator, Sequence

from modelyard.testing.soak.ledger import Ledger
from modelyard.testing.soak.questions import Question, make_junk, make_question
from modelyard.testing.soak.streams import StreamQuestion, make_stream_question

ALLOWED = frozenset({"replica_failed", "endpoint_not_ready", "overloaded", "deadline_exceeded"})
"""What a gateway may say while its workers are killed: try again."""

_OK, _CLIENT_ERRORS = 200, range(400, 500)
_KINDS = {"ask": 60, "stream": 10, "pipeline": 12, "dribble": 5, "junk": 5, "leave": 8}
_LONGEST_PIPELINE = 8
_PATIENCE_SECONDS = 60.0
_LARGEST_ANSWER_HEAD = 1 << 16


class _EndedError(Exception):
    """The connection is of no use any more."""


class Callers:
    """Many connections to one gateway, until told to stop."""

    def __init__(self, port: int, ledger: Ledger, seed: int) -> None:
        self._port = port
        self._ledger = ledger
        self._seed = seed
        self._numbers: Iterator[int] = itertools.count(1)
        self._is_stopping = False

    async def run(self, connections: int) -> None:
        """Call over so many connections at a time."""
        chances = [random.Random(f"{self._seed}-{index}") for index in range(connections)]  # noqa: S311
        async with asyncio.TaskGroup() as group:
            for chance in chances:
                group.create_task(self._call(chance))

    def stop(self) -> None:
        """Finish what is under way."""
        self._is_stopping = True

    async def _call(self, chance: random.Random) -> None:
        while not self._is_stopping:
            self._ledger.counts["connections"] += 1
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=_LARGEST_ANSWER_HEAD)
            try:
                await self._talk(_Connection(reader, writer), chance)
            except _EndedError:
                continue
            finally:
                writer.transport.abort()

    async def _talk(self, connection: "_Connection", chance: random.Random) -> None:
        for _ in range(chance.randint(1, 300)):
            if self._is_stopping:
                return
            kind = chance.choices(list(_KINDS), list(_KINDS.values()))[0]
            if kind == "junk":
                await self._send_junk(connection, chance)
                continue
            count = chance.randint(2, _LONGEST_PIPELINE) if kind == "pipeline" else 1
            make = make_stream_question if kind == "stream" else make_question
            questions: list[Question | StreamQuestion] = [make(next(self._numbers), chance) for _ in range(count)]
            message = b"".join(question.message for question in questions)
            self._ledger.counts["requests"] += count
            if kind == "leave":
                connection.writer.write(message[: chance.randint(1, len(message))])
                await asyncio.sleep(chance.choice((0, 0, 0.005)))
                self._ledger.counts["left by their client"] += count
                return
            if kind == "dribble":
                await connection.dribble(message, chance)
            else:
                connection.writer.write(message)
            await self._collect(connection, questions)

    async def _collect(self, connection: "_Connection", questions: "Sequence[Question | StreamQuestion]") -> None:
        """Take the answers in turn."""
        for question in questions:
            try:
                status, headers, body = await connection.answer()
            except (OSError, EOFError, TimeoutError) as error:
                self._ledger.fault(f"{question.name} was lost without an answer: {type(error).__name__}: {error}")
                raise _EndedError from error
            code = self._look_at(question, headers, body) if status == _OK else str(json.loads(body)["code"])
            if code is None:
                continue
            self._ledger.refusals[code] += 1
            if code not in ALLOWED:
                self._ledger.fault(f"{question.name} was answered {status} {code}: {body[:200]!r}")

    def _look_at(self, question: "Question | StreamQuestion", headers: dict[str, str], body: bytes) -> str | None:
        """Check an answer; the code of the error that ended it early, or None."""
        counts = self._ledger.counts
        problem = question.problem_of(headers, body)
        if problem:
            self._ledger.fault(f"{question.name} got what is not its own: {problem}")
        code = question.refusal_of(body) if isinstance(question, StreamQuestion) else None
        if code is not None:
            counts["streams broken off with a reason"] += 1
        else:
            counts["answers checked"] += 1
            counts["streams checked"] += isinstance(question, StreamQuestion)
        return code

    async def _send_junk(self, connection: "_Connection", chance: random.Random) -> None:
        connection.writer.write(make_junk(chance))
        self._ledger.counts["junk requests"] += 1
        try:
            status, _, body = await connection.answer()
        except (OSError, EOFError, TimeoutError) as error:
            self._ledger.fault(f"junk got no answer: {type(error).__name__}: {error}")
            raise _EndedError from error
        if status in _CLIENT_ERRORS:
            self._ledger.counts["junk requests refused"] += 1
        elif json.loads(body).get("code") in ALLOWED:
            self._ledger.counts["junk requests told to come again"] += 1
        else:
            self._ledger.fault(f"junk was answered {status}: {body[:200]!r}")


class _Connection:
    """Just enough HTTP to see every byte that comes back."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self._reader = reader

    async def dribble(self, message: bytes, chance: random.Random) -> None:
        """Send it in pieces, with pauses."""
        cuts = sorted(chance.sample(range(len(message)), min(5, len(message))))
        for start, end in itertools.pairwise([0, *cuts, len(message)]):
            self.writer.write(message[start:end])
            await asyncio.sleep(chance.choice((0, 0.001)))

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers in lower case, body.

        Raises:
            EOFError: the connection ended before it was whole.
            OSError: the connection was reset.
            TimeoutError: none came.
        """
        async with asyncio.timeout(_PATIENCE_SECONDS):
            head = await self._reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            if headers.get("transfer-encoding") == "chunked":
                body = b"".join([chunk async for chunk in self._chunks()])
            else:
                body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        return int(first.split()[1]), headers, body

    async def _chunks(self) -> AsyncIterator[bytes]:
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            yield await self._reader.readexactly(size)
            await self._reader.readexactly(2)
        await self._reader.readexactly(2)
