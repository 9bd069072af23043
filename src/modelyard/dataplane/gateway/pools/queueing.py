"""Requests that wait, in turns between the tokens that sent them: who sends much makes itself wait, not the others."""

from collections import deque
from collections.abc import Iterable, Iterator

from modelyard.dataplane.gateway.requests import PendingRequest


class FairQueue:
    """First come, first served for each token; the tokens take turns.

    Requests that come back from a lost replica stand before all others.

    Attributes:
        rows: of all requests that wait.
    """

    def __init__(self) -> None:
        self._again: deque[PendingRequest] = deque()
        self._lines: dict[str, deque[PendingRequest]] = {}
        self._turns: deque[deque[PendingRequest]] = deque()
        self._size = 0
        self.rows = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[PendingRequest]:
        yield from self._again
        for line in self._lines.values():
            yield from line

    def push(self, request: PendingRequest) -> None:
        """Take a request; the last in its token's line."""
        line = self._lines.get(request.token_id)
        if line is None:
            line = self._lines[request.token_id] = deque()
            self._turns.append(line)
        line.append(request)
        self._size += 1
        self.rows += request.call.rows

    def push_back(self, requests: Iterable[PendingRequest]) -> None:
        """Take requests that were in a batch already, in their order, before all others."""
        returned = list(requests)
        self._again.extendleft(reversed(returned))
        self._size += len(returned)
        self.rows += sum(request.call.rows for request in returned)

    def first(self) -> PendingRequest:
        """The next request. Raises IndexError when none waits."""
        return self._again[0] if self._again else self._turns[0][0]

    def pop(self) -> PendingRequest:
        """Take the next request out; the next turn is another token's. Raises IndexError when none waits."""
        if self._again:
            return self._taken(self._again.popleft())
        line = self._turns[0]
        request = line.popleft()
        if not line:
            self._turns.popleft()
            del self._lines[request.token_id]
        elif len(self._turns) > 1:
            self._turns.rotate(-1)
        return self._taken(request)

    def make_room(self, token_id: str) -> PendingRequest | None:
        """Take out the last request of the longest line, if that is another token's and longer than this one's."""
        longest = max(self._turns, key=len, default=None)
        own = self._lines.get(token_id)
        if longest is None or longest is own or len(longest) <= (len(own) if own else 0) + 1:
            return None
        return self._taken(longest.pop())

    def discard_done(self) -> None:
        """Forget requests for which nobody waits any more: they would make the queue look longer than it is."""
        if any(request.is_done for request in self):
            waiting = [request for request in self._again if not request.is_done]
            others = [request for line in self._turns for request in line if not request.is_done]
            self.clear()
            self.push_back(waiting)
            for request in others:
                self.push(request)

    def clear(self) -> list[PendingRequest]:
        """Take everything out."""
        everything = list(self)
        self._again.clear()
        self._lines.clear()
        self._turns.clear()
        self._size = self.rows = 0
        return everything

    def _taken(self, request: PendingRequest) -> PendingRequest:
        self._size -= 1
        self.rows -= request.call.rows
        return request
