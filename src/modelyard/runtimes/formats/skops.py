"""scikit-learn estimators in skops files, through scikit-learn. Only types that skops trusts are loaded."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from modelyard.runtimes.base import ArtifactInvalidError, PredictionFailedError, Predictor, Runtime, Tensor, Tensors
from modelyard.runtimes.formats.answers import classifier_outputs, regress, regressor_outputs, table_input
from modelyard.runtimes.formats.frames.columns import Columns, by_position, named_columns, picks_by_name
from modelyard.runtimes.formats.frames.thresholds import values_at_splits
from modelyard.runtimes.formats.sklearn_forests import forest_of
from modelyard.runtimes.sniff import check_archive
from modelyard.types.models import ArtifactFormat
from modelyard.types.signatures import DataType, Signature, TensorSpec

# skops trusts public estimators only. These are their private parts: they hold numbers and run no code from the file (a
# forged tree could still read outside its memory, one more reason why artifacts are loaded in a sandbox).
_TRUSTED = (
    "numpy.dtype",  # of an empty array, read without pickle
    "numpy.number",
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.compose._column_transformer.make_column_selector",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    "sklearn.gaussian_process.kernels.ConstantKernel",
    "sklearn.gaussian_process.kernels.Product",
    "sklearn.gaussian_process.kernels.RBF",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
)
_NAMES = "X does not have valid feature names"


class TypesUntrustedError(ArtifactInvalidError):
    """A skops file holds types that are not on the list of trusted ones."""

    code = "types_untrusted"


class SkopsPredictor(Predictor):
    """Not thread-safe."""

    def __init__(self, estimator: Any, signature: Signature, threads: int) -> None:
        self._columns = named_columns(estimator)
        self._inputs = signature.inputs
        self._estimator = estimator if self._columns is None else by_position(estimator, self._columns, self._inputs)
        self._outputs = {spec.name: spec for spec in signature.outputs}
        self._threads = threads
        self._dtype = _working_type(estimator) if self._columns is None else np.float64
        self._pools = _pools()
        self._votes_by_probability = _votes_by_probability(estimator)
        uses_jobs = threads > 1 and getattr(estimator, "n_jobs", None) not in (None, 1)
        self._forest = None if uses_jobs else forest_of(estimator)

    def predict(self, inputs: Mapping[str, Tensor]) -> Tensors:
        """Label and probabilities of a classifier, the label of a clusterer, the prediction of a regressor."""
        try:
            if self._columns is not None:
                return self._answer(self._columns.table(self._inputs, inputs))
            rows = inputs["numeric"]
            if self._forest is not None and np.isfinite(rows).all():
                return self._answer_by_trees(self._forest.mean(np.ascontiguousarray(rows, np.float32)))
            return self._answer(rows.astype(self._dtype, copy=False))
        except Exception as error:  # estimators raise what they like
            raise PredictionFailedError(error) from error

    def examples(self, rows: int, *, seed: int = 0) -> Tensors | None:
        """Known categories and numbers of a usual size, for a pipeline over named columns."""
        if self._columns is None:
            return None
        columns = self._with_splits(self._columns)
        for has_unseen in (True, False):
            found = columns.examples(self._inputs, rows, seed=seed, has_unseen=has_unseen)
            if _answers(self._estimator, columns.table(self._inputs, found)):
                return found
        return None

    def _with_splits(self, columns: Columns) -> Columns:
        """The columns, with what they remember of the trees behind them."""
        names = [name for spec in self._inputs for name in spec.columns]
        numbers = [place for place, name in enumerate(names) if name not in columns.markers]
        row = columns.table(self._inputs, columns.examples(self._inputs, 1, seed=0, has_unseen=False))
        found = values_at_splits(self._estimator, row, numbers)
        known = {names[place]: np.concatenate([columns.known[names[place]], values]) for place, values in found.items()}
        return replace(columns, known={**columns.known, **known})

    def _answer(self, data: Tensor) -> Tensors:
        with warnings.catch_warnings(), self._pools.limit(limits=self._threads):
            warnings.filterwarnings("ignore", message=_NAMES)  # the signature has checked the columns
            if "label" not in self._outputs:
                return regress(np.asarray(self._estimator.predict(data)))
            if "probabilities" not in self._outputs:
                return {"label": self._labels(self._estimator.predict(data))}
            probabilities = np.asarray(self._estimator.predict_proba(data))
            if self._votes_by_probability:
                labels = np.asarray(self._estimator.classes_).take(probabilities.argmax(axis=1))
            else:
                labels = self._estimator.predict(data)
            return {"label": self._labels(labels), "probabilities": probabilities.astype(np.float32)}

    def _answer_by_trees(self, means: Tensor) -> Tensors:
        if "label" not in self._outputs:
            return regress(means[:, 0])
        labels = self._labels(np.asarray(self._estimator.classes_).take(means.argmax(axis=1)))
        return {"label": labels, "probabilities": means.astype(np.float32)}

    def _labels(self, labels: Any) -> Tensor:
        if self._outputs["label"].datatype is DataType.BYTES:
            return np.asarray([str(label) for label in labels], dtype=object)
        return np.asarray(labels).astype(np.int64)


def _votes_by_probability(estimator: Any) -> bool:
    """True if `predict` is the most probable class of `predict_proba`: then one pass over a forest does for both."""
    from sklearn import ensemble  # noqa: PLC0415 - 2.3 s, needed by this format only

    kinds = (ensemble.RandomForestClassifier, ensemble.ExtraTreesClassifier, ensemble.HistGradientBoostingClassifier)
    return type(estimator) in kinds and getattr(estimator, "n_outputs_", 1) == 1


class SkopsRuntime(Runtime):
    """Loads skops files."""

    format: ClassVar[ArtifactFormat] = ArtifactFormat.SKOPS

    def load(self, artifact: Path, signature: Signature, *, threads: int = 1) -> Predictor:
        """A predictor; not thread-safe.

        Raises:
            TypesUntrustedError: the file holds types that are not trusted.
            ArtifactInvalidError: it is damaged.
        """
        return SkopsPredictor(open_estimator(artifact), signature, threads)

    def infer_signature(self, artifact: Path) -> Signature:
        """Columns and classes from the fitted estimator.

        Raises:
            ArtifactInvalidError: the estimator is not fitted, cannot predict, or takes other things than numbers.
        """
        return estimator_signature(open_estimator(artifact))


def open_estimator(artifact: Path) -> Any:
    """The estimator in a skops file.

    Raises:
        TypesUntrustedError: types that skops does not trust; the message lists them.
        ArtifactInvalidError: it is damaged.
    """
    check_archive(artifact)
    import skops.io  # noqa: PLC0415 - 2.3 s with scikit-learn, needed by this format only

    try:
        untrusted = set(skops.io.get_untrusted_types(file=artifact)) - trusted_types()
    except Exception as error:  # skops raises whatever a damaged schema leads to
        raise _damaged(error) from error
    if untrusted:
        raise TypesUntrustedError(
            f"the artifact holds types that are not trusted: {', '.join(sorted(untrusted)[:10])}",
            hint="Convert the model to ONNX where it was trained (skl2onnx.to_onnx) and register that; XGBoost and "
            "LightGBM models are taken in their own formats.",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # a file of another scikit-learn version warns; parity and golden requests judge
            return skops.io.load(artifact, trusted=list(_TRUSTED))
    except Exception as error:  # the same
        raise _damaged(error) from error


def trusted_types() -> set[str]:
    """Names of the types that are loaded beside those that skops itself trusts."""
    return set(_TRUSTED)


def estimator_signature(estimator: Any) -> Signature:
    """The signature of a fitted scikit-learn estimator on numeric columns, or on those that its pipeline names.

    Raises:
        ArtifactInvalidError: it is not fitted, cannot predict, or picks columns by name anywhere but at its beginning.
    """
    from sklearn.base import is_classifier, is_regressor  # noqa: PLC0415 - 2.3 s, needed by this format only

    width = getattr(estimator, "n_features_in_", None)
    if width is None or not hasattr(estimator, "predict"):
        what = "is not fitted" if width is None else "has no predict method"
        raise ArtifactInvalidError(
            f"the {type(estimator).__name__} in the artifact {what}", hint="Save a fitted classifier or regressor."
        )
    columns = named_columns(estimator)
    if columns is None:
        _refuse_named_columns(estimator)
        names = [str(name) for name in getattr(estimator, "feature_names_in_", ())]
        inputs = table_input(names, width, allows_missing=_takes_nan(estimator))
    else:
        inputs = _named_inputs(estimator, columns)
    if is_classifier(estimator):
        return Signature(inputs=inputs, outputs=_class_outputs(estimator))
    if is_regressor(estimator):
        return Signature(inputs=inputs, outputs=regressor_outputs(_target_count(estimator, columns)))
    return Signature(inputs=inputs, outputs=(TensorSpec(name="label", datatype=DataType.INT64, shape=(-1,)),))


def _class_outputs(estimator: Any) -> tuple[TensorSpec, ...]:
    classes = np.asarray(estimator.classes_)
    if classes.ndim != 1 or isinstance(estimator.classes_, list):
        raise ArtifactInvalidError(
            "the classifier has several targets, one is served", hint="Register one model per target."
        )
    is_number = classes.dtype.kind in "iub" or (
        classes.dtype.kind == "f" and bool(np.array_equal(classes, classes.astype(np.int64)))
    )
    names = [str(int(name)) for name in classes] if is_number else [str(name) for name in classes]
    outputs = classifier_outputs(names, DataType.INT64 if is_number else DataType.BYTES)
    return outputs if hasattr(estimator, "predict_proba") else outputs[:1]


def _takes_nan(estimator: Any) -> bool:
    from sklearn.utils import get_tags  # noqa: PLC0415 - 2.3 s, needed by this format only

    return bool(get_tags(estimator).input_tags.allow_nan)


def _target_count(estimator: Any, columns: Columns | None) -> int:
    """Asks the estimator itself: no attribute says it for all of them."""
    row: Tensor = np.zeros((1, estimator.n_features_in_), dtype=np.float32)
    if columns is not None:
        specs = columns.specs()
        row = columns.table(specs, columns.examples(specs, 1, seed=0, has_unseen=False))
        estimator = by_position(estimator, columns, specs)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=_NAMES)
        answer = np.asarray(estimator.predict(row))
    return int(answer.shape[1]) if answer.ndim > 1 else 1


def _named_inputs(estimator: Any, columns: Columns) -> tuple[TensorSpec, ...]:
    """The inputs of a pipeline that picks columns by name. Which values may be missing is tried."""
    specs = columns.specs()
    placed = by_position(estimator, columns, specs)
    row = columns.table(specs, columns.examples(specs, 1, seed=0, has_unseen=False))
    if not _answers(placed, row):
        raise ArtifactInvalidError(
            "the pipeline picks its columns by name and answers no row of the values that it remembers",
            hint="Name columns in its first step alone, or convert it with skl2onnx.to_onnx.",
        )
    names = [name for spec in specs for name in spec.columns]
    missing = np.array([columns.markers.get(name, np.nan) for name in names], dtype=object)
    if _answers(placed, missing[np.newaxis]):
        return columns.specs(names)
    return columns.specs([name for place, name in enumerate(names) if _answers(placed, _replaced(row, place, missing))])


def _replaced(row: Tensor, place: int, values: Tensor) -> Tensor:
    changed = row.copy()
    changed[0, place] = values[place]
    return changed


def _answers(estimator: Any, rows: Tensor) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            estimator.predict(rows)
        except Exception:  # noqa: BLE001 - estimators raise what they like
            return False
    return True


def _refuse_named_columns(estimator: Any) -> None:
    steps = [step for _, step in getattr(estimator, "steps", [("", estimator)])]
    for step in steps:
        if any(map(picks_by_name, getattr(step, "transformers_", ()))):
            raise ArtifactInvalidError(
                "the pipeline picks its columns by name and takes a data frame, requests carry tensors",
                hint="Convert it with skl2onnx.to_onnx, with the inputs 'numeric' and 'categorical', or pick columns "
                "by position.",
            )


def _pools() -> Any:
    """The thread pools of this process. To look for them takes milliseconds: once, not with every request."""
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]  # noqa: PLC0415 - scikit-learn's own

    return ThreadpoolController()


def _working_type(estimator: Any) -> type[np.floating[Any]]:
    """64 bits, in which scikit-learn's users call it, unless the estimator was fitted on 32 and takes nothing else."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            estimator.predict(np.zeros((1, estimator.n_features_in_), dtype=np.float64))
        except Exception:  # noqa: BLE001 - estimators raise what they like, also at zeros: 32 bits are what comes in
            return np.float32
    return np.float64


def _damaged(error: Exception) -> ArtifactInvalidError:
    return ArtifactInvalidError(
        f"skops cannot read the artifact: {str(error)[:200] or type(error).__name__}",
        hint="Save it again with skops.io.dump(estimator, 'model.skops').",
    )
