"""Fetches what a request names, and answers it row by row."""

import tempfile
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Protocol

from modelyard.control.predictions.gateway import Answered, Fault, GatewayCaller
from modelyard.control.predictions.rows import Rows, read_rows
from modelyard.control.predictions.schemas import PredictionsCreate
from modelyard.control.references.errors import ReferenceInvalidError, ReferenceTooLargeError
from modelyard.control.references.schemas import Source
from modelyard.control.references.service import ReferenceService
from modelyard.errors import ModelyardError, OverloadedError
from modelyard.types.datasets import DatasetFormat
from modelyard.types.endpoints import Endpoint
from modelyard.types.monitoring import ReferencePrediction
from modelyard.types.signatures import Signature

ROWS_AT_ONCE = 256
_AT_ONCE = 4


class EndpointReader(Protocol):
    """Knows endpoints and what they serve. Implementation: endpoints.service.EndpointService."""

    def get(self, project: str, name: str) -> Endpoint:
        """An endpoint. Raises NotFoundError."""

    def signature(self, project: str, version: str) -> Signature | None:
        """Of a version ("digits:2"), if it was ever served here."""


class PredictionService:
    """Answers by reference. Safe from any thread; some requests at a time, further ones are refused.

    Args:
        endpoints: say what their models take.
        references: get the data.
        gateway: answers.
        folder: for temporary files; made if absent.
    """

    def __init__(
        self,
        endpoints: EndpointReader,
        references: ReferenceService,
        gateway: GatewayCaller,
        folder: Path,
    ) -> None:
        self._endpoints = endpoints
        self._references = references
        self._gateway = gateway
        self._folder = folder
        self._free = threading.BoundedSemaphore(_AT_ONCE)

    def answer(
        self, project: str, endpoint: str, wanted: PredictionsCreate, token: str
    ) -> Iterator[ReferencePrediction]:
        """The answers, in the order of the rows; one per row, each with its answer or the reason why there is none.

        What is named is fetched, and its first rows are answered, before this returns.

        Args:
            project: of the endpoint, and of what is named.
            endpoint: its name.
            wanted: what is named.
            token: the header of whoever asks; the gateway decides whether he may.

        Raises:
            NotFoundError: no such endpoint, dataset or object.
            ReferenceForbiddenError, ReferenceInvalidError, ReferenceTooLargeError, ReferenceUnreachableError: the data.
            OverloadedError: as many such requests as may be are under way.
        """
        served, signature = self._served(self._endpoints.get(project, endpoint))
        if not self._free.acquire(blocking=False):
            raise OverloadedError("too many requests by reference are under way", hint="Send it again in a while.")
        answers = self._answers(project, endpoint, wanted, token, signature)
        try:
            first = next(answers, None)
        except ReferenceTooLargeError as error:
            raise _better_a_job(error, served, wanted.source) from error
        except BaseException:
            answers.close()
            raise
        return _after(first, answers)

    def signature(self, project: str, name: str) -> Signature:
        """What an endpoint takes: its variant with the most traffic.

        Raises:
            NotFoundError: no such endpoint.
            ReferenceInvalidError: it serves nothing yet.
        """
        return self._served(self._endpoints.get(project, name))[1]

    def _answers(
        self, project: str, endpoint: str, wanted: PredictionsCreate, token: str, signature: Signature
    ) -> Generator[ReferencePrediction, None, None]:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix="reference-", dir=self._folder) as folder:
                path = Path(folder, "data")
                file_format = self._fetch(project, wanted, path)
                number = 0
                for names, rows in read_rows(path, file_format, signature, ROWS_AT_ONCE):
                    for answered, part in self._asked(project, endpoint, wanted.variant, (names, rows), token):
                        yield from _lines(answered, number, part)
                        number += part
        finally:
            self._free.release()

    def _asked(
        self, project: str, endpoint: str, variant: str | None, rows: Rows, token: str
    ) -> Iterator[tuple[Answered | Fault, int]]:
        """Answers with how many rows they are about. If some of the rows are wrong, each is asked by itself."""
        answered = self._gateway.ask(project, endpoint, variant, *rows, token)
        if isinstance(answered, Fault) and answered.is_about_rows and len(rows[1]) > 1:
            for row in rows[1]:
                yield self._gateway.ask(project, endpoint, variant, rows[0], [row], token), 1
        else:
            yield answered, len(rows[1])

    def _fetch(self, project: str, wanted: PredictionsCreate, path: Path) -> DatasetFormat:
        source = wanted.source
        reference = self._references.find(
            project, dataset=source.dataset, object=source.object, url=source.url, format=wanted.format
        )
        self._references.fetch(reference, path)
        return reference.format

    def _served(self, endpoint: Endpoint) -> tuple[str, Signature]:
        """The version with most traffic and its signature."""
        for variant in sorted(endpoint.variants, key=lambda variant: -variant.weight):
            version = f"{variant.model}:{variant.number}"
            found = self._endpoints.signature(endpoint.project, version)
            if found is not None:
                return version, found
        raise ReferenceInvalidError(f"Endpoint '{endpoint.name}' serves nothing yet", hint="Deploy a version to it.")


def _better_a_job(error: ReferenceTooLargeError, version: str, source: Source) -> ReferenceTooLargeError:
    """The same error, whose hint is the command that answers the data."""
    option = "--dataset" if source.dataset else "--object" if source.object else "--from-url"
    place = source.dataset or source.object or source.url
    return ReferenceTooLargeError(
        error.message, hint=f"Answer it with a batch job: modelyard batch {version} {option} {place} --output DATASET"
    )


def _lines(answered: Answered | Fault, number: int, rows: int) -> Iterator[ReferencePrediction]:
    for place in range(rows):
        if isinstance(answered, Fault):
            error = {"code": answered.code, "message": answered.message}
            yield ReferencePrediction(row=number + place, error=error)
        else:
            prediction = answered.predictions[place]
            yield ReferencePrediction(
                row=number + place, prediction=prediction, inference_id=answered.inference_id, place=place
            )


def _after(first: ReferencePrediction | None, rest: Iterator[ReferencePrediction]) -> Iterator[ReferencePrediction]:
    """A stream that has begun ends with what broke it, as a line."""
    if first is None:
        return
    number = first.row
    yield first
    try:
        for answer in rest:
            number = answer.row
            yield answer
    except ModelyardError as error:
        yield ReferencePrediction(row=number + 1, error={"code": error.code, "message": error.message})
