"""Reads ahead: the next items of an iterator are made in another thread while this one works on what it has."""

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

Item = TypeVar("Item")


def ahead(items: Iterator[Item], depth: int) -> Iterator[Item]:
    """The same items in the same order, at most `depth` of them waiting; an error comes where it happened."""
    waiting: queue.Queue[tuple[bool, Item | BaseException | None]] = queue.Queue(depth)
    is_left = threading.Event()

    def read() -> None:
        try:
            for item in items:
                if is_left.is_set():
                    return
                waiting.put((True, item))
        except BaseException as error:  # noqa: BLE001 - raised again where the items go
            waiting.put((False, error))
        else:
            waiting.put((False, None))

    threading.Thread(target=read, name="reader", daemon=True).start()
    try:
        while True:
            is_item, found = waiting.get()
            if is_item:
                yield found  # type: ignore[misc]
            elif isinstance(found, BaseException):
                raise found
            else:
                return
    finally:
        is_left.set()
        while not waiting.empty():  # the reader may wait for room
            waiting.get_nowait()
