"""What the facade can do: operations by service and name, and the call that each of them gets."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from modelyard.types.access import Action, Principal

Request = dict[str, Any]
Answer = dict[str, Any]
Handler = Callable[["Call", Request], Answer]
_Function = TypeVar("_Function", bound=Callable[..., Answer])
_MARK = "_aws_operation"


@dataclass(kw_only=True, slots=True)
class Call:
    """Who calls which operation, and how.

    Attributes:
        service: botocore's name of it: sagemaker, sagemaker-runtime, logs.
        operation: AWS's name: DescribeTrainingJob.
        principal: the access key as one of our callers; its project is `project`.
        project: whose things the call sees and makes.
        access_key: id of the key that signed.
        session_token: of a temporary key, else empty.
        account_id: 12 digits, the same for everything of this installation.
        region: that the client has signed for.
        base_url: where the client has reached us.
        is_waiter: a poll of `client.get_waiter(...).wait()`, which asks again only after a minute or two.
    """

    service: str
    operation: str
    principal: Principal
    project: str
    access_key: str
    account_id: str
    region: str
    request_id: str
    base_url: str
    user_agent: str = ""
    session_token: str = ""
    is_waiter: bool = False
    is_held: bool = field(default=False, init=False)

    def hold(self, *, for_everyone: bool = False) -> None:
        """Say that the answer is of something that is about to change.

        A waiter's poll is then asked again here until it does not say so any more, or for most of a minute; so the
        waiter returns as soon as the thing has ended, and not at its next poll. Every other call is answered at once,
        unless it is held `for_everyone`.
        """
        self.is_held = self.is_waiter or for_everyone

    def arn(self, resource: str, service: str = "sagemaker") -> str:
        """The ARN of a resource of ours: `call.arn("training-job/name")`."""
        return f"arn:aws:{service}:{self.region}:{self.account_id}:{resource}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation.

    Attributes:
        action: what the caller's role must allow in its project.
        partly: which of AWS's members have no effect or are refused; empty: the operation is whole.
    """

    service: str
    name: str
    handler: Handler
    action: Action
    partly: str = ""


@dataclass(frozen=True, slots=True)
class _Marked:
    service: str
    name: str
    action: Action
    partly: str


def operation(service: str, name: str, action: Action, *, partly: str = "") -> Callable[[_Function], _Function]:
    """Mark a method `(self, call, request) -> answer` as an operation: see Operation for the arguments.

    `request` was validated against the service's model; the answer is a dict by its output shape. Members whose value
    is None are left out of the answer; a structure that is not there must be None or missing, never `{}`. Handlers run
    on a worker thread, and again and again while they `call.hold()`.
    """

    def mark(function: _Function) -> _Function:
        setattr(function, _MARK, (*getattr(function, _MARK, ()), _Marked(service, name, action, partly)))
        return function

    return mark


def operations_of(*holders: object) -> Iterator[Operation]:
    """The marked methods of these objects; of a class, to be listed and not called."""
    for holder in holders:
        for attribute in dir(holder):
            found = getattr(holder, attribute, None)
            for marked in getattr(found, _MARK, ()):
                yield Operation(
                    service=marked.service,
                    name=marked.name,
                    handler=getattr(holder, attribute),
                    action=marked.action,
                    partly=marked.partly,
                )


class Catalog:
    """All operations. Immutable."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._found: dict[tuple[str, str], Operation] = {}
        for each in operations:
            if (each.service, each.name) in self._found:
                raise ValueError(f"{each.service}:{each.name} is there twice")
            self._found[each.service, each.name] = each

    def find(self, service: str, name: str) -> Operation | None:
        """The operation, if we have it."""
        return self._found.get((service, name))

    def __iter__(self) -> Iterator[Operation]:
        return iter(self._found.values())
