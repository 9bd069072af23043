"""Calls that are described once and offered twice: `client.jobs.get(id)` and `await client.jobs.get(id)`.

The descriptors below carry the parameters of a description over to both, so that type checkers and editors show the
right signature and result on either client.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar, overload

from modelyard.sdk.steps import Flow


class Sync:
    """Marks the resources of `Client`."""


class Async:
    """Marks the resources of `AsyncClient`."""


Mode = TypeVar("Mode", bound=Sync | Async)
P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R", bound="Bound[Any]")


@dataclass(frozen=True, slots=True)
class Pages(Generic[T]):
    """A list that comes in pages: `fetch(cursor)` answers items and the cursor of the next page, None at the end."""

    fetch: Callable[[str | None], Flow[tuple[list[T], str | None]]]


@dataclass(frozen=True, slots=True)
class Lines:
    """Text by the line, from byte `offset` of what `path` answers to a GET; taken up again after a break."""

    path: str
    query: dict[str, str]
    offset: int = 0


class Driver(Protocol):
    """Performs flows, in one of the two modes."""

    def run(self, flow: Flow[Any]) -> Any:
        """The flow's result (a coroutine of it in the asynchronous mode)."""

    def iterate(self, pages: Pages[Any]) -> Any:
        """An iterator over all items, page after page."""

    def lines(self, lines: Lines) -> Any:
        """An iterator over lines, without their ends."""


class Bound(Generic[Mode]):
    """Something that has calls: knows the driver that performs them."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver


class call(Generic[R, P, T]):  # noqa: N801 - a decorator
    """A method that describes a call as a flow with the result T."""

    def __init__(self, describe: Callable[Concatenate[R, P], Flow[T]]) -> None:
        self.flow = describe
        update_wrapper(self, describe)  # type: ignore[arg-type]

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: Bound[Sync], owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, instance: Bound[Async], owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        return _bound(self.flow, instance, instance._driver.run)  # noqa: SLF001 - descriptor and host are one


class listing(Generic[R, P, T]):  # noqa: N801 - a decorator
    """A method that describes a list of T; called, it gives an iterator over all of them."""

    def __init__(self, describe: Callable[Concatenate[R, P], Pages[T]]) -> None:
        self.pages = describe
        update_wrapper(self, describe)  # type: ignore[arg-type]

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: Bound[Sync], owner: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, instance: Bound[Async], owner: type) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        return _bound(self.pages, instance, instance._driver.iterate)  # noqa: SLF001


class line_stream(Generic[R, P]):  # noqa: N801 - a decorator
    """A method that describes a stream of lines; called, it gives an iterator over them."""

    def __init__(self, describe: Callable[Concatenate[R, P], Lines]) -> None:
        self._describe = describe
        update_wrapper(self, describe)  # type: ignore[arg-type]

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: Bound[Sync], owner: type) -> Callable[P, Iterator[str]]: ...
    @overload
    def __get__(self, instance: Bound[Async], owner: type) -> Callable[P, AsyncIterator[str]]: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        return _bound(self._describe, instance, instance._driver.lines)  # noqa: SLF001


def _bound(describe: Callable[..., Any], instance: Any, perform: Callable[[Any], Any]) -> Callable[..., Any]:
    def method(*arguments: Any, **keywords: Any) -> Any:
        return perform(describe(instance, *arguments, **keywords))

    return update_wrapper(method, describe)
