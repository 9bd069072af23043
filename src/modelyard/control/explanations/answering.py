"""An answer with its explanation in one call: the gateway answers, then the version that answered is explained.

The gateway itself explains nothing: an explanation takes hundreds of rows of the model, which would hold up its event
loop and the requests of others, and it may not import what computes one.
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from modelyard.control.explanations.errors import ExplanationImpossibleError
from modelyard.control.explanations.inputs import row_of, tensors_of
from modelyard.control.explanations.service import ExplanationService, Wish
from modelyard.control.predictions.errors import InferenceRefusedError
from modelyard.control.predictions.gateway import Fault, GatewayCaller
from modelyard.errors import ModelyardError
from modelyard.runtimes.tensors import to_json
from modelyard.types.evaluation.explanations import ExplainedInference, Explanation
from modelyard.types.signatures import Signature

MOST_ROWS = 16


class SignatureReader(Protocol):
    """Implementation: predictions.service.PredictionService."""

    def signature(self, project: str, endpoint: str) -> Signature:
        """What the endpoint takes. Raises NotFoundError, ReferenceInvalidError."""


class ExplainedAnswers:
    """Answers and explains. Safe from any thread.

    Args:
        signatures: know what endpoints take.
        gateway: answers.
        explanations: explain.
    """

    def __init__(self, signatures: SignatureReader, gateway: GatewayCaller, explanations: ExplanationService) -> None:
        self._signatures = signatures
        self._gateway = gateway
        self._explanations = explanations

    def answer(self, project: str, endpoint: str, wish: Wish, token: str) -> ExplainedInference:
        """The answer, counted and captured as any other, with an explanation of each row.

        An answer whose explanation fails, or takes longer than `wish.seconds` in all, is an answer nevertheless.

        Args:
            project: of the endpoint.
            endpoint: its name.
            wish: `inputs` or `columns`, and how to explain; `variant` is asked instead of the one that weights choose.
            token: the header of whoever asks; the gateway decides whether he may.

        Raises:
            NotFoundError: no such endpoint.
            InvalidInputError: the inputs do not fit, or are more than 16 rows.
            InferenceRefusedError: the gateway did not answer.
        """
        signature = self._signatures.signature(project, endpoint)
        if wish.columns is not None:
            tensors = row_of(signature, wish.columns)
        else:
            tensors = tensors_of(signature, wish.inputs or {})
        rows = len(next(iter(tensors.values())))
        if rows > MOST_ROWS:
            raise ExplanationImpossibleError(
                f"{rows} rows are too many to explain in one call, {MOST_ROWS} are possible",
                hint="Send fewer rows, or explain some of the captured request afterwards.",
                field="inputs",
            )
        sent = [to_json(name, tensor) for name, tensor in tensors.items()]
        answered = self._gateway.infer(project, endpoint, wish.variant, sent, token)
        if isinstance(answered, Fault):
            raise InferenceRefusedError(
                f"The endpoint did not answer: {answered.message} ({answered.code})", hint="Send it again in a while."
            )
        found, failure = self._explained(project, endpoint, replace(wish, variant=answered.version), rows)
        return ExplainedInference(
            inference_id=answered.inference_id,
            endpoint=endpoint,
            version=answered.version,
            variant=answered.variant,
            outputs=tuple(answered.outputs),
            explanations=tuple(replace(each, inference=answered.inference_id) for each in found),
            explanation_error=failure,
        )

    def _explained(
        self, project: str, endpoint: str, wish: Wish, rows: int
    ) -> tuple[list[Explanation], Mapping[str, str] | None]:
        """Row by row; each gets its share of the time that is left."""
        deadline = time.monotonic() + wish.seconds
        found: list[Explanation] = []
        try:
            for row in range(rows):
                share = max(1e-3, (deadline - time.monotonic()) / (rows - row))
                found.append(self._explanations.explain(project, endpoint, replace(wish, row=row, seconds=share)))
        except ModelyardError as error:
            return found, {"code": error.code, "message": error.message}
        return found, None
