"""How good endpoints are on their own traffic."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from modelyard.sdk.calls import Mode, call
from modelyard.sdk.resource import OPERATIONS, Resource, create
from modelyard.sdk.steps import Flow
from modelyard.types.evaluation.explanations import Explanation
from modelyard.types.evaluation.reports import BiasReport, EndpointComparison, EndpointEvaluation
from modelyard.types.signatures import Scalar

_PATIENCE_SECONDS = 600.0


class Evaluations(Resource[Mode]):
    """Evaluations, comparisons, bias reports and explanations, computed whenever asked."""

    @call
    def evaluate(
        self,
        endpoint: str,
        *,
        window: str = "24h",
        since: datetime | None = None,
        until: datetime | None = None,
        variant: str | None = None,
        version: str | None = None,
        by: Sequence[str] = ("variant",),
        slice: str | None = None,
        bins: int = 4,
        costs: Mapping[str, Mapping[str, float]] | None = None,
        minimum_rows: int = 30,
    ) -> Flow[EndpointEvaluation]:
        """Accuracy, F1, calibration and cost, or RMSE, MAE and R2, of each group of labelled rows.

        Args:
            endpoint: whose traffic.
            window: how far back from `until`: "90s", "15m", "24h", "7d".
            since: first moment, instead of `window`.
            until: last moment; now if left out.
            variant: only what this variant answered.
            version: only what this version answered ("digits:2").
            by: groups beside the version: "variant", "day".
            slice: also by the values of this column; numbers fall into quantile bins.
            bins: how many bins those are.
            costs: truth -> answer -> what it costs; a right answer that is not named costs 0, a wrong one 1.
            minimum_rows: groups with fewer labelled rows get no figures.
        """
        body = {
            **_window(window, since, until, variant, version),
            "by": [*by],
            "slice": slice,
            "bins": bins,
            "costs": costs,
            "minimum_rows": minimum_rows,
        }
        path = self._path(OPERATIONS, "endpoints", endpoint, "evaluations")
        return create(EndpointEvaluation, path, body, timeout_seconds=_PATIENCE_SECONDS)

    @call
    def compare(
        self,
        endpoint: str,
        challenger: str,
        champion: str | None = None,
        *,
        window: str = "7d",
        since: datetime | None = None,
        until: datetime | None = None,
        slices: Sequence[str] | None = None,
        bins: int = 4,
        minimum_rows: int = 30,
        rows: int = 10_000,
        seconds: float = 60.0,
    ) -> Flow[EndpointComparison]:
        """Two running versions on the same captured requests; differences above 0 speak for the challenger.

        Args:
            endpoint: whose requests.
            challenger: a variant or version that runs.
            champion: likewise; the variant with the most traffic if left out.
            window: how far back from `until`.
            since: first moment, instead of `window`.
            until: last moment; now if left out.
            slices: columns to look for worse slices in; the first 30 if left out.
            bins: quantile bins of a column of numbers.
            minimum_rows: fewer labelled rows give no difference.
            rows: the newest rows, so many at most.
            seconds: how long it may take; then the rows that both have answered count.
        """
        body = {
            **_window(window, since, until, None, None),
            "challenger": challenger,
            "champion": champion,
            "slices": None if slices is None else [*slices],
            "bins": bins,
            "minimum_rows": minimum_rows,
            "rows": rows,
            "seconds": seconds,
        }
        path = self._path(OPERATIONS, "endpoints", endpoint, "comparisons")
        return create(EndpointComparison, path, body, timeout_seconds=_PATIENCE_SECONDS)

    @call
    def bias(
        self,
        endpoint: str,
        column: str,
        favourable: Scalar,
        *,
        reference: str | None = None,
        window: str = "7d",
        since: datetime | None = None,
        until: datetime | None = None,
        version: str | None = None,
        bins: int = 4,
        minimum_rows: int = 30,
    ) -> Flow[BiasReport]:
        """How groups of rows are treated: selection rate, true and false positive rate, precision, calibration.

        Args:
            endpoint: whose traffic.
            column: whose values are the groups.
            favourable: the answer that is good for whom it is about.
            reference: the group to compare with; the largest if left out.
            window: how far back from `until`.
            since: first moment, instead of `window`.
            until: last moment; now if left out.
            version: that answered; the one with the most rows if left out.
            bins: quantile bins of a column of numbers.
            minimum_rows: smaller groups are flagged and get no figures.
        """
        body = {
            **_window(window, since, until, None, version),
            "column": column,
            "favourable": favourable,
            "reference": reference,
            "bins": bins,
            "minimum_rows": minimum_rows,
        }
        path = self._path(OPERATIONS, "endpoints", endpoint, "bias-reports")
        return create(BiasReport, path, body, timeout_seconds=_PATIENCE_SECONDS)

    @call
    def explain(
        self,
        endpoint: str,
        inference: str | None = None,
        *,
        columns: Mapping[str, Scalar | None] | None = None,
        inputs: Mapping[str, Sequence[object]] | None = None,
        row: int = 0,
        variant: str | None = None,
        target: str | None = None,
        method: str = "auto",
        seconds: float = 5.0,
        background_rows: int = 64,
    ) -> Flow[Explanation]:
        """Why the endpoint answers as it does: contributions of the inputs that add up to the answer (SHAP values).

        Args:
            endpoint: to ask.
            inference: id of a captured request; or give `columns` or `inputs`.
            columns: values by column, of one row; what is left out is missing.
            inputs: tensors by name, as nested lists.
            row: which row of the request.
            variant: a variant or version that runs; if left out, the version that answered, or the main variant.
            target: class to explain; the answered one if left out.
            method: "auto", "exact", "trees" or "sampled".
            seconds: how long it may take.
            background_rows: rows to explain against, at most.
        """
        body = {
            "inference": inference,
            "columns": columns,
            "inputs": inputs,
            "row": row,
            "variant": variant,
            "target": target,
            "method": method,
            "seconds": seconds,
            "background_rows": background_rows,
        }
        path = self._path(OPERATIONS, "endpoints", endpoint, "explanations")
        return create(Explanation, path, body, timeout_seconds=_PATIENCE_SECONDS)


def _window(
    window: str, since: datetime | None, until: datetime | None, variant: str | None, version: str | None
) -> dict[str, object]:
    given = {
        "since": since.isoformat() if since else None,
        "until": until.isoformat() if until else None,
        "variant": variant,
        "version": version,
    }
    return {"window": window, **given}
