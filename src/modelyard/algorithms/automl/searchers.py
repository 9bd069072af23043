"""Who proposes hyper-parameters: FLAML's cost-frugal search, or a tree-structured Parzen estimator by Optuna.

Both are told every candidate, also after a restart, in the order in which they were tried.
"""

import importlib.util
import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol

import optuna

from modelyard.algorithms.automl.errors import FlamlMissingError
from modelyard.algorithms.automl.spaces import Space
from modelyard.types.automl.recipes import CandidateSource
from modelyard.types.signatures import Scalar
from modelyard.types.tuning.searches import Range

_WARM_UP = 5


class Searcher(Protocol):
    """Proposes hyper-parameters of one algorithm."""

    def propose(self) -> dict[str, Scalar]:
        """Those of the space."""

    def learn(self, given: Mapping[str, Scalar], loss: float, seconds: float) -> None:
        """What they came to; `loss` is infinite if nothing did."""


def chosen_source(wanted: CandidateSource) -> CandidateSource:
    """Who proposes.

    Raises:
        FlamlMissingError: FLAML was asked for and is not installed.
    """
    has_flaml = importlib.util.find_spec("flaml") is not None
    if wanted is CandidateSource.FLAML and not has_flaml:
        raise FlamlMissingError(
            "FLAML is not installed", hint="Install it (`pip install 'modelyard[automl]'`), or leave `source` out."
        )
    if wanted is CandidateSource.AUTO:
        return CandidateSource.FLAML if has_flaml else CandidateSource.BUILT_IN
    return wanted


def make_searcher(source: CandidateSource, space: Space, seed: int) -> Searcher:
    """A searcher that knows nothing yet."""
    return FlamlSearcher(space, seed) if source is CandidateSource.FLAML else ParzenSearcher(space, seed)


class ParzenSearcher:
    """See the module."""

    def __init__(self, space: Space, seed: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._distributions = {name: _distribution(each) for name, each in space.ranges.items()}
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=_WARM_UP)
        self._study = optuna.create_study(sampler=sampler)

    def propose(self) -> dict[str, Scalar]:
        """See Searcher."""
        trial = self._study.ask(self._distributions)
        return {name: _scalar(value) for name, value in trial.params.items()}

    def learn(self, given: Mapping[str, Scalar], loss: float, seconds: float) -> None:  # noqa: ARG002 - time is no matter here
        """See Searcher."""
        known = {name: given[name] for name in self._distributions if name in given}
        if not math.isfinite(loss) or len(known) < len(self._distributions):
            return
        with suppress(ValueError):  # the candidates to begin with may lie outside of the space
            self._study.add_trial(
                optuna.trial.create_trial(params=known, distributions=self._distributions, value=loss)
            )


class FlamlSearcher:
    """See the module. Its local search begins at the best candidate that it is told before it first proposes."""

    def __init__(self, space: Space, seed: int) -> None:
        self._space = space
        self._seed = seed
        self._search: Any = None
        self._before: list[tuple[dict[str, Scalar], float]] = []
        self._asked: tuple[str, dict[str, Scalar]] | None = None
        self._count = 0

    def propose(self) -> dict[str, Scalar]:
        """See Searcher."""
        search = self._made()
        for _ in range(100):  # it answers nothing for a point that it knows already
            self._count += 1
            name = str(self._count)
            found = search.suggest(name)
            if found is not None:
                given = {key: _scalar(found[key]) for key in self._space.ranges}
                self._asked = (name, dict(found))
                return given
        return dict(self._space.cheap)

    def learn(self, given: Mapping[str, Scalar], loss: float, seconds: float) -> None:
        """See Searcher."""
        known = {name: given[name] for name in self._space.ranges if name in given}
        finite = loss if math.isfinite(loss) else 1e30
        if self._search is None:
            if len(known) == len(self._space.ranges):
                self._before.append((known, finite))
            return
        if self._asked is None:  # after a restart: what it would have proposed is what was tried
            self.propose()
        if self._asked is not None:
            name, config = self._asked
            self._search.on_trial_complete(name, {"loss": finite, "time_total_s": seconds, "config": config})
            self._asked = None

    def _made(self) -> Any:
        if self._search is None:
            from flaml.tune.searcher.blendsearch import CFO  # noqa: PLC0415 - an extra

            best = sorted(self._before, key=lambda each: each[1])[:1]
            self._search = CFO(
                metric="loss",
                mode="min",
                space={name: _flaml_domain(each) for name, each in self._space.ranges.items()},
                low_cost_partial_config=dict(self._space.cheap),
                points_to_evaluate=[config for config, _ in best] or None,
                evaluated_rewards=[loss for _, loss in best] or None,
                seed=self._seed,
            )
        return self._search


def _distribution(each: Range) -> optuna.distributions.BaseDistribution:
    if each.values:
        return optuna.distributions.CategoricalDistribution(each.values)
    if each.is_whole:
        return optuna.distributions.IntDistribution(int(each.low), int(each.high), log=each.is_log)
    return optuna.distributions.FloatDistribution(each.low, each.high, log=each.is_log)


def _flaml_domain(each: Range) -> Any:
    import flaml.tune.sample as domains  # noqa: PLC0415 - an extra

    if each.values:
        return domains.choice([*each.values])
    if each.is_whole:
        draw = domains.lograndint if each.is_log else domains.randint
        return draw(int(each.low), int(each.high) + 1)
    return (domains.loguniform if each.is_log else domains.uniform)(each.low, each.high)


def _scalar(value: Any) -> Scalar:
    """A plain value: libraries return NumPy's."""
    plain = value.item() if hasattr(value, "item") else value
    return plain if isinstance(plain, bool | int | str) else round(float(plain), 6)
