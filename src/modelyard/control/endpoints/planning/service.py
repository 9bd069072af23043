"""Plans: how many replicas a load needs, what they answer then, and what that costs."""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass

from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.endpoints.planning.measuring import Measurer
from modelyard.control.endpoints.records import ServedVersion
from modelyard.control.endpoints.repository import EndpointRepository
from modelyard.dataplane.planning.prediction import Predictor
from modelyard.kit.host import HostLoad
from modelyard.storage.database import Database
from modelyard.types.planning import Measurement, Plan, Prediction
from modelyard.types.processes import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The load that is to be planned for.

    Attributes:
        target: an endpoint (its variant with the most traffic), or a model version ("digits", "digits:2").
        p99_ms: the objective; None: as many replicas as keep up.
        replicas: predict for so many instead of the smallest number.
        is_measured_anew: do not take service times that were measured before.
    """

    target: str
    requests_per_second: float
    p99_ms: float | None = None
    rows_per_request: float = 1.0
    replicas: int | None = None
    is_measured_anew: bool = False


class PlanningService:
    """Makes plans. One measurement at a time: two would disturb each other.

    Args:
        observe: watches the machine for a moment; None: it cannot be watched.
        cores: processors of this machine.
    """

    def __init__(
        self,
        *,
        database: Database,
        repository: EndpointRepository,
        registry: RegistryClient,
        measurer: Measurer,
        observe: Callable[[], HostLoad | None],
        cores: int | None = None,
    ) -> None:
        self._database = database
        self._repository = repository
        self._registry = registry
        self._measurer = measurer
        self._observe = observe
        self._cores = cores or os.cpu_count() or 1
        self._turn = threading.Lock()

    def plan(self, project: str, wish: Wish) -> Plan:
        """What the load needs on this machine; measures the version first if that was not done yet.

        Raises:
            NotFoundError: there is neither such an endpoint nor such a model version.
            ModelyardError: the version could not be measured.
        """
        version, resources = self._find(project, wish.target)
        with self._turn:
            host = self._observe()
            known = None if wish.is_measured_anew else self._recorded(version, resources)
            if host is not None and host.saturation:
                return self._refused(version, wish, known, host.saturation)
            measurement = known or self._measured(version, resources)
        predictor = Predictor(
            measurement.curve, rows_per_request=wish.rows_per_request, wake_seconds=measurement.wake_seconds
        )
        most = wish.replicas or self._cores
        if wish.replicas is None:
            prediction = predictor.recommend(wish.requests_per_second, wish.p99_ms, most=most)
        else:
            prediction = predictor.predict(wish.requests_per_second, wish.replicas)
        return self._judged(version, wish, measurement, prediction, host)

    def _judged(
        self,
        version: ServedVersion,
        wish: Wish,
        measurement: Measurement,
        prediction: Prediction,
        host: HostLoad | None,
    ) -> Plan:
        cores_needed = prediction.utilisation * prediction.replicas
        free = self._cores * (1 - (host.busy_share if host is not None else 0.0))
        is_too_much = cores_needed > free
        p99 = prediction.p99_ms
        reason = ""
        if is_too_much:
            reason = (
                f"host saturated: the replicas would keep {cores_needed:.1f} processors busy, of {self._cores} here "
                f"{free:.1f} are free"
            )
        elif p99 is None:
            reason = f"{prediction.replicas} replicas answer {prediction.capacity:.0f} requests/s at most"
        elif wish.p99_ms is not None and p99 > wish.p99_ms:
            reason = f"no number of replicas up to {prediction.replicas} keeps the p99 under {wish.p99_ms:g} ms"
        return Plan(
            model=f"{version.model}:{version.number}",
            requests_per_second=wish.requests_per_second,
            p99_ms=wish.p99_ms,
            prediction=None if is_too_much else prediction,
            is_host_saturated=is_too_much,
            reason=reason,
            memory_bytes=measurement.memory_bytes * prediction.replicas,
            cpu_seconds_per_1000=_cpu_seconds(measurement, wish, prediction) * 1000,
            cores_needed=cores_needed,
            measured_at=measurement.measured_at,
            curve=measurement.curve,
        )

    def _refused(self, version: ServedVersion, wish: Wish, known: Measurement | None, why: str) -> Plan:
        return Plan(
            model=f"{version.model}:{version.number}",
            requests_per_second=wish.requests_per_second,
            p99_ms=wish.p99_ms,
            prediction=None,
            is_host_saturated=True,
            reason=f"host saturated: {why}, so no prediction would hold",
            measured_at=known.measured_at if known is not None else None,
            curve=known.curve if known is not None else (),
        )

    def _find(self, project: str, target: str) -> tuple[ServedVersion, Resources]:
        with self._database.read() as connection:
            record = self._repository.get(connection, project, target)
            if record is not None:
                variant = max(record.variants, key=lambda each: each.weight)
                served = self._repository.version(connection, project, variant.model, variant.number)
                if served is not None:
                    return served, variant.resources
        found = self._registry.model_version(project, target)
        version = ServedVersion(
            project=project,
            model=found.model,
            number=found.number,
            digest=found.digest,
            signature=found.manifest.signature,
            is_pure=found.manifest.is_pure,
        )
        return version, Resources()

    def _recorded(self, version: ServedVersion, resources: Resources) -> Measurement | None:
        with self._database.read() as connection:
            return self._repository.measurement(connection, version, resources)

    def _measured(self, version: ServedVersion, resources: Resources) -> Measurement:
        measurement = self._measurer.measure(version, resources)
        with self._database.transaction() as connection:
            self._repository.put_measurement(connection, version, resources, measurement)
        return measurement


def _cpu_seconds(measurement: Measurement, wish: Wish, prediction: Prediction) -> float:
    """Of one request: batches share what a call costs, in the proportion of the time that the replicas work."""
    alone = measurement.curve[0].mean_seconds
    busy_seconds = prediction.utilisation * prediction.replicas / wish.requests_per_second
    return measurement.cpu_seconds_per_row * (busy_seconds / alone if prediction.p99_ms is not None else 1.0)
