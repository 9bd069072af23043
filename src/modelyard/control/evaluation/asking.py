"""Asks the running replicas of an endpoint out of turn, as the gateway does: control loads no model itself.

A replica answers in the order in which it is asked, so that the requests of the application wait at most for one batch
of these.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from modelyard.algorithms.evaluation.outputs import standard
from modelyard.algorithms.explanations.shapley import OutOfTimeError
from modelyard.control.endpoints.errors import VariantNotFoundError
from modelyard.dataplane.client import WorkerClient
from modelyard.dataplane.errors import EndpointNotReadyError
from modelyard.dataplane.routing import read_table
from modelyard.runtimes.base import Tensors
from modelyard.runtimes.validate import check_inputs
from modelyard.types.routing import RouteEndpoint, RouteVariant
from modelyard.types.signatures import Signature

BATCH_ROWS = 256
"""As many as the gateway puts into a batch."""

_LEAST_SECONDS = 1.0


class AskedVariant:
    """A connection to one replica of a variant. Not thread-safe.

    Attributes:
        name: of the variant.
        version: the model version, "digits:2".
        signature: what it takes and gives.
        asked_rows: how many rows it was asked about.
    """

    def __init__(self, variant: RouteVariant, client: WorkerClient, deadline: float) -> None:
        self.name = variant.name
        self.version = f"{variant.model}:{variant.number}"
        self.signature: Signature = variant.signature
        self.asked_rows = 0
        self._client = client
        self._deadline = deadline
        first = variant.signature.inputs[0].shape[:1]
        self._batch_rows = BATCH_ROWS if first in ((), (-1,)) else max(1, first[0])

    @property
    def is_time_up(self) -> bool:
        """The time that was given is over."""
        return time.monotonic() >= self._deadline

    def infer(self, inputs: Tensors) -> Tensors:
        """Answers for any number of rows, a batch at a time, under their standard names.

        Raises:
            InvalidInputError: the inputs do not fit the signature.
            ModelFailedError, WorkerUnavailableError: it cannot answer.
            OutOfTimeError: the time is over before all rows are answered.
        """
        rows = len(next(iter(inputs.values())))
        parts: list[Tensors] = []
        for start in range(0, rows, self._batch_rows):
            if parts and self.is_time_up:
                raise OutOfTimeError
            batch = {name: tensor[start : start + self._batch_rows] for name, tensor in inputs.items()}
            check_inputs(self.signature, batch)
            parts.append(self._client.infer(batch))
        self.asked_rows += rows
        return standard({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


class RunningModels:
    """Finds replicas in the routing table, which holds only what is proven and ready. Safe from any thread."""

    def __init__(self, routing: Path) -> None:
        self._routing = routing

    @contextmanager
    def ask(self, project: str, endpoint: str, wanted: str | None, seconds: float) -> Iterator[AskedVariant]:
        """A connection to a replica of a variant.

        Args:
            project: of the endpoint.
            endpoint: its name.
            wanted: a variant ("canary") or a model version ("digits:2"); None: the variant with most traffic.
            seconds: how long it may be asked.

        Raises:
            EndpointNotReadyError: no replica takes requests now.
            VariantNotFoundError: the endpoint has no such variant or version.
            WorkerUnavailableError: the replica has just ended; the next try meets another one.
        """
        variant = _chosen(self._endpoint(project, endpoint), endpoint, wanted)
        deadline = time.monotonic() + seconds
        with WorkerClient(variant.replicas[0].address, max(_LEAST_SECONDS, seconds)) as client:
            yield AskedVariant(variant, client, deadline)

    def _endpoint(self, project: str, name: str) -> RouteEndpoint | None:
        with suppress(FileNotFoundError):
            table = read_table(self._routing)
            return next((each for each in table.endpoints if (each.project, each.name) == (project, name)), None)
        return None


def _chosen(endpoint: RouteEndpoint | None, name: str, wanted: str | None) -> RouteVariant:
    variants = endpoint.variants if endpoint is not None else ()
    named = [each for each in variants if wanted is None or wanted in (each.name, f"{each.model}:{each.number}")]
    if wanted is not None and variants and not named:
        there = ", ".join(f"{each.name} ({each.model}:{each.number})" for each in variants)
        raise VariantNotFoundError(
            f"Endpoint '{name}' serves no variant or version '{wanted[:80]}'", hint=f"It serves {there}."
        )
    ready = [each for each in named if each.replicas]
    if not ready:
        reason = f": {endpoint.reason}" if endpoint is not None and endpoint.reason else ""
        raise EndpointNotReadyError(
            f"No replica of endpoint '{name}' takes requests now{reason}",
            hint="Wait until it is READY; an endpoint that is scaled to zero wakes up when it is called.",
        )
    return max(ready, key=lambda each: each.weight)
