"""Events as they happen, as server-sent events.

Source: WHATWG HTML, 9.2 "Server-sent events".
"""

import asyncio
from collections.abc import AsyncIterator

import msgspec
from starlette.concurrency import run_in_threadpool

from modelyard.control.events.errors import EventIdInvalidError
from modelyard.control.events.service import EventService
from modelyard.types.endpoints import Event

_POLL_SECONDS = 0.5
_QUIET_POLLS = 30
_BATCH = 200
_OVERLAP = 50


async def event_stream(
    service: EventService, project: str, subject: str | None, after: int, poll_seconds: float = _POLL_SECONDS
) -> AsyncIterator[bytes]:
    """The events after one, and every further one as it happens, until the reader leaves.

    Args:
        service: knows the events.
        project: whose.
        subject: only what happened to this; None: everything.
        after: sequence number of the last event that the reader has.
        poll_seconds: how often to look.
    """
    yield b"retry: 2000\n\n"
    quiet, last = 0, after
    sent: set[int] = set()
    while True:
        # Two transactions may end in another order than they took their numbers: look a little way back.
        events = await run_in_threadpool(service.after, project, subject, max(after, last - _OVERLAP), _BATCH)
        found = [event for event in events if service.sequence(event.id) not in sent]
        for event in found:
            yield _frame(event)
            sent.add(service.sequence(event.id))
            last = max(last, service.sequence(event.id))
        sent = {number for number in sent if number > last - _OVERLAP}
        quiet = 0 if found else quiet + 1
        if quiet >= _QUIET_POLLS:  # proxies cut connections on which nothing moves
            quiet = 0
            yield b": nothing new\n\n"
        if len(found) < _BATCH:
            await asyncio.sleep(poll_seconds)


def start_of(service: EventService, project: str, last_event_id: str | None) -> int:
    """Where a stream begins: behind the event that the reader names, else behind the newest.

    Raises:
        EventIdInvalidError: that is no event's id.
    """
    if not last_event_id:
        return service.newest_sequence(project)
    try:
        return service.sequence(last_event_id)
    except ValueError:
        raise EventIdInvalidError(
            f"'{last_event_id[:40]}' is no event's id", hint="Send the `id` of the last event that you have."
        ) from None


def _frame(event: Event) -> bytes:
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (event.id.encode(), event.kind.encode(), msgspec.json.encode(event))
