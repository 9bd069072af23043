"""Telemetry of applications outside becomes ground truth, or captures of models that run elsewhere.

An item (span, event of a span, log record) with the attribute `modelyard.endpoint` is about that endpoint:

- with `modelyard.truth` (a value or a list) and `modelyard.inference.id` it is feedback;
- with `modelyard.model` ("churn:3") and `modelyard.outputs` (JSON: name -> nested lists) it is an inference that was
  answered elsewhere; `modelyard.inputs` likewise, `modelyard.variant` and `modelyard.inference.id` if there are any.

Everything else is left alone: an application may send all of its telemetry here.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from modelyard.control.captures.ingest import CaptureIngest
from modelyard.control.feedback.errors import TruthInvalidError
from modelyard.control.feedback.service import FeedbackService, NewTruth
from modelyard.control.telemetry.otlp import Item
from modelyard.dataplane.gateway.masking import Mask
from modelyard.errors import InvalidInputError, NotFoundError
from modelyard.kit.ids import derived_id
from modelyard.runtimes.tensors import from_json, to_raw
from modelyard.types.endpoints import Endpoint
from modelyard.types.signatures import Signature, TensorSpec
from modelyard.types.tensors import CaptureRecord, JsonTensor, RawTensor

ENDPOINT, INFERENCE_ID, TRUTH = "modelyard.endpoint", "modelyard.inference.id", "modelyard.truth"
MODEL, VARIANT = "modelyard.model", "modelyard.variant"
INPUTS, OUTPUTS = "modelyard.inputs", "modelyard.outputs"
_UNKNOWN = Signature(inputs=(), outputs=())


class EndpointReader(Protocol):
    """Knows endpoints and what they serve. Implementation: endpoints.service.EndpointService."""

    def get(self, project: str, name: str) -> Endpoint:
        """An endpoint. Raises NotFoundError."""

    def signature(self, project: str, version: str) -> Signature | None:
        """Of a version ("digits:2"), if it was ever served here."""


class TelemetryReceiver:
    """Takes items. Safe from any thread. What it answered is stored: an exporter may forget it.

    Args:
        endpoints: items about others are rejected.
        feedback: takes truth.
        ingest: takes inferences.
        mask: hashes or drops personal columns first.
    """

    def __init__(self, endpoints: EndpointReader, feedback: FeedbackService, ingest: CaptureIngest, mask: Mask) -> None:
        self._endpoints = endpoints
        self._feedback = feedback
        self._ingest = ingest
        self._mask = mask

    def take(self, project: str, items: Sequence[Item], body: bytes, principal: str) -> list[str]:
        """Store what is about endpoints of the project; returns why items were rejected, one reason each.

        The same `body` again changes nothing: exporters send again when they heard no answer.

        Raises:
            UnavailableError: the object store does not answer; the exporter sends it again.
        """
        faults: list[str] = []
        truths: dict[str, list[NewTruth]] = {}
        records: list[CaptureRecord] = []
        for item in items:
            if ENDPOINT not in item.attributes:
                continue
            try:
                endpoint = self._endpoints.get(project, str(item.attributes[ENDPOINT]))
                if TRUTH in item.attributes:
                    truths.setdefault(endpoint.name, []).append(_truth(item))
                elif OUTPUTS in item.attributes:
                    records.append(self._record(endpoint, item, principal))
                else:
                    faults.append(f"an item about '{endpoint.name}' has neither {TRUTH} nor {OUTPUTS}")
            except (InvalidInputError, NotFoundError) as error:
                faults.append(error.message)
        if records:
            self._ingest.store(derived_id("otlp", project, hashlib.sha256(body).hexdigest()), records)
        for name, found in truths.items():

            def refuse(_index: int, error: TruthInvalidError) -> None:
                faults.append(error.message)

            self._feedback.record(project, name, found, refuse=refuse)
        return faults

    def _record(self, endpoint: Endpoint, item: Item, principal: str) -> CaptureRecord:
        version = str(item.attributes.get(MODEL, ""))
        model, _, number = version.rpartition(":")
        if not model or not number.isdecimal():
            raise InvalidInputError(f"an inference of '{endpoint.name}' has no {MODEL} such as churn:3")
        signature = self._endpoints.signature(endpoint.project, version)
        inputs = _tensors(item.attributes.get(INPUTS, "{}"), INPUTS, signature.inputs if signature else ())
        outputs = _tensors(item.attributes[OUTPUTS], OUTPUTS, signature.outputs if signature else ())
        rows = {tensor.shape[0] for tensor in (*inputs, *outputs) if tensor.shape}
        if len(rows) != 1:
            raise InvalidInputError(f"the tensors of an inference of '{endpoint.name}' differ in rows, or have none")
        inference_id = str(item.attributes.get(INFERENCE_ID) or f"inf-otlp-{item.id}")
        if not 1 <= len(inference_id) <= 200:  # noqa: PLR2004 - as in the tables
            raise InvalidInputError(f"an inference of '{endpoint.name}' has no {INFERENCE_ID} of 1 to 200 characters")
        latency_us = max(0, item.end_ns - item.start_ns) // 1000
        record = CaptureRecord(
            id=inference_id,
            at_ns=item.start_ns,
            project=endpoint.project,
            endpoint=endpoint.name,
            variant=str(item.attributes.get(VARIANT, "external"))[:63],
            model=model,
            number=int(number),
            rows=rows.pop(),
            latency_us=latency_us,
            queue_us=0,
            model_us=latency_us,
            principal=principal,
            inputs=inputs,
            outputs=outputs,
        )
        personal = endpoint.capture.personal_columns
        return self._mask.apply(record, personal, signature or _UNKNOWN) if personal else record


def _truth(item: Item) -> NewTruth:
    inference_id, truth = item.attributes.get(INFERENCE_ID), item.attributes[TRUTH]
    if not isinstance(inference_id, str) or not 1 <= len(inference_id) <= 200:  # noqa: PLR2004 - as in the table
        raise InvalidInputError(f"truth has no {INFERENCE_ID} of 1 to 200 characters")
    values = truth if isinstance(truth, list) else [truth]
    if not all(value is None or isinstance(value, str | bool | int | float) for value in values):
        raise InvalidInputError(f"the {TRUTH} of '{inference_id}' is neither a value nor a list of values")
    return NewTruth(inference_id, values)


def _tensors(text: Any, name: str, specs: Sequence[TensorSpec]) -> tuple[RawTensor, ...]:
    """Tensors out of JSON; of the signature's types where it is known."""
    try:
        value = json.loads(text) if isinstance(text, str) else text
        datatypes = {spec.name: spec.datatype for spec in specs}
        made = []
        for key, nested in value.items():
            if key in datatypes:
                cells = np.array(nested, dtype=object)
                flat = cells.reshape(-1).tolist()
                array = from_json(JsonTensor(name=key, datatype=datatypes[key], shape=cells.shape, data=flat))
            else:
                array = np.array(nested)
                array = array.astype(object) if array.dtype.kind in "US" else array
            made.append(to_raw(key, array))
        return tuple(made)
    except (ValueError, AttributeError, TypeError, InvalidInputError) as error:
        raise InvalidInputError(f"{name} is no JSON object of nested lists: {error}") from error
