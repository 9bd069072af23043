"""From a framework's model to ONNX whose tensors have the names and types of the model's signature.

Imports scikit-learn and the converters only when called: it runs where models are trained or inspected.
"""

import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from modelyard.errors import InvalidInputError
from modelyard.types.models import ArtifactFormat
from modelyard.types.signatures import DataType, Signature, TensorSpec

_GRAPH_NAME = "model"  # fixed: the converters' default is a random name, and equal training gives equal bytes


class ConversionFailedError(InvalidInputError):
    """The model has no ONNX form that its converter knows; it can be served by its own framework."""

    code = "conversion_failed"


def convert_artifact(format: ArtifactFormat, artifact: Path, signature: Signature, *, is_double: bool = False) -> bytes:
    """The ONNX form of a skops, XGBoost, LightGBM or CatBoost file.

    Args:
        format: of the file.
        artifact: the file.
        signature: of the original.
        is_double: let the form calculate in 64 bits between its 32-bit inputs and outputs; scikit-learn only.

    Raises:
        ConversionFailedError: the converter cannot; the message says why.
        ArtifactInvalidError: the file is damaged.
    """
    if format is ArtifactFormat.GGUF:
        raise ConversionFailedError("llama.cpp is what serves it")
    from modelyard.runtimes.formats import (  # noqa: PLC0415 - names like the frameworks'
        catboost,
        lightgbm,
        skops,
        xgboost,
    )

    if format is ArtifactFormat.SKOPS:
        return convert_estimator(skops.open_estimator(artifact), signature, is_double=is_double)
    if format is ArtifactFormat.XGBOOST:
        return convert_xgboost(xgboost.open_booster(artifact), signature)
    if format is ArtifactFormat.LIGHTGBM:
        return convert_lightgbm(lightgbm.open_booster(artifact), signature)
    if format is ArtifactFormat.CATBOOST:
        return convert_catboost(catboost.open_model(artifact), signature)
    return artifact.read_bytes()


def convert_estimator(estimator: Any, signature: Signature, *, is_double: bool = False) -> bytes:
    """The ONNX form of a fitted scikit-learn estimator or pipeline.

    Args:
        estimator: fitted; it takes the signature's inputs side by side, in their order.
        signature: its inputs name the ONNX inputs; its outputs must be those of a classifier or a regressor.
        is_double: calculate in 64 bits, as scikit-learn itself does, and else in 32; inputs and outputs stay as the
            signature says.

    Raises:
        ConversionFailedError: skl2onnx cannot convert a part of it.
    """

    def convert() -> Any:
        from skl2onnx import convert_sklearn  # noqa: PLC0415 - 1 s
        from skl2onnx.common import data_types  # noqa: PLC0415 - 1 s

        from modelyard.runtimes.formats.frames.columns import by_position, named_columns  # noqa: PLC0415 - beside it
        from modelyard.runtimes.formats.frames.encoders import (  # noqa: PLC0415 - imports onnx
            encode_missing_as_nan,
            impute_doubles,
            keep_fractions_apart,
        )
        from modelyard.runtimes.formats.onnx_graph import element_type, retype_inputs  # noqa: PLC0415 - imports onnx
        from modelyard.runtimes.formats.sklearn_boosting import histogram_converters  # noqa: PLC0415 - 2 s
        from modelyard.runtimes.formats.sklearn_trees import (  # noqa: PLC0415 - imports onnx
            narrow_before_trees,
            route_missing_values,
        )
        from modelyard.runtimes.formats.tree_thresholds import (  # noqa: PLC0415 - beside the others
            histogram_splits,
            keep_thresholds,
            round_thresholds_down,
        )

        own, other = (DataType.FP64, DataType.FP32) if is_double else (DataType.FP32, DataType.FP64)
        columns = named_columns(estimator)
        placed = estimator if columns is None else by_position(estimator, columns, signature.inputs, is_for_onnx=True)
        model = convert_sklearn(
            placed,
            name=_GRAPH_NAME,
            initial_types=_initial_types(_of_width(signature.inputs, own), data_types),
            options={id(placed): {"zipmap": False}} if signature.class_names else None,
            custom_conversion_functions=histogram_converters(),
            target_opset={"": 18, "ai.onnx.ml": 3},
        )
        route_missing_values(model, estimator)
        keep_fractions_apart(model)
        encode_missing_as_nan(model)
        if is_double:
            keep_thresholds(model, histogram_splits(estimator))
            narrow_before_trees(model, estimator)
            impute_doubles(model)
        else:
            round_thresholds_down(model, histogram_splits(estimator))
        if any(spec.datatype is other for spec in signature.inputs):
            retype_inputs(model, element_type(own), element_type(other))
        return model

    return _converted(convert, signature)


def convert_xgboost(booster: Any, signature: Signature) -> bytes:
    """The ONNX form of an xgboost.Booster; forgets the booster's feature names (the signature has them).

    Raises:
        ConversionFailedError: onnxmltools cannot (categorical splits, gblinear).
    """

    def convert() -> Any:
        from onnxmltools import convert_xgboost as to_onnx  # noqa: PLC0415 - 1 s
        from onnxmltools.convert.common import data_types  # noqa: PLC0415 - 1 s

        booster.feature_names = None  # the converter takes only names like f0
        return to_onnx(booster, name=_GRAPH_NAME, initial_types=_initial_types(signature.inputs, data_types))

    if "c" in (booster.feature_types or ()):
        raise ConversionFailedError(
            "the model splits on categories, which the ONNX converter does not know",
            hint="It is served by its own framework.",
        )
    return _converted(convert, signature)


def convert_lightgbm(booster: Any, signature: Signature) -> bytes:
    """The ONNX form of a lightgbm.Booster.

    Raises:
        ConversionFailedError: onnxmltools cannot.
    """

    def convert() -> Any:
        from onnxmltools import convert_lightgbm as to_onnx  # noqa: PLC0415 - 1 s
        from onnxmltools.convert.common import data_types  # noqa: PLC0415 - 1 s

        from modelyard.runtimes.formats.tree_thresholds import (  # noqa: PLC0415 - beside the others
            lightgbm_splits,
            round_thresholds_down,
        )

        model = to_onnx(
            booster, name=_GRAPH_NAME, initial_types=_initial_types(signature.inputs, data_types), zipmap=False
        )
        round_thresholds_down(model, lightgbm_splits(booster))
        return model

    return _converted(convert, signature)


def convert_catboost(model: Any, signature: Signature) -> bytes:
    """The ONNX form of a catboost.CatBoost, which writes it by itself.

    Raises:
        ConversionFailedError: CatBoost cannot, or the model takes categories. It finds them by a hash of their texts,
            for which ONNX has no operator; a table of texts cannot stand in for it, because the file keeps none.
    """
    from modelyard.runtimes.formats.catboost import has_categories  # noqa: PLC0415 - named like the framework

    if has_categories(model):
        raise ConversionFailedError(
            "CatBoost finds categories by a hash that ONNX cannot compute, and its file does not hold their texts",
            hint="It is served by its own framework.",
        )

    def convert() -> Any:
        import onnx  # noqa: PLC0415 - heavy

        from modelyard.runtimes.formats.onnx_graph import rename_input  # noqa: PLC0415 - imports onnx

        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.onnx"
            model.save_model(str(file), format="onnx")
            made = onnx.load(str(file))
        made.graph.name = _GRAPH_NAME
        rename_input(made, signature.inputs[0].name)
        return made

    return _converted(convert, signature)


def _converted(convert: Callable[[], Any], signature: Signature) -> bytes:
    from modelyard.runtimes.formats.onnx_graph import keep_label_only, normalise  # noqa: PLC0415 - imports onnx, 0.3 s

    try:
        with _quiet():
            result = normalise(convert())
    except Exception as error:  # converters raise whatever a model they do not know leads to
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ConversionFailedError(
            f"no ONNX form: {reason[:300]}", hint="It is served by its own framework."
        ) from error
    expected = [spec.name for spec in signature.outputs]
    if expected == ["label"]:
        keep_label_only(result.model)
    made = [output.name for output in result.model.graph.output]
    if sorted(expected) != sorted(made):
        raise ConversionFailedError(
            f"the ONNX form answers {sorted(made)}, the signature says {expected}",
            hint="It is served by its own framework.",
        )
    content: bytes = result.model.SerializeToString(deterministic=True)
    return content


@contextmanager
def _quiet() -> Iterator[None]:
    """Converters warn and log about their own insides; parity judges the result."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)


def _of_width(inputs: tuple[TensorSpec, ...], width: DataType) -> tuple[TensorSpec, ...]:
    """The inputs with all floats in that width."""
    floats = (DataType.FP32, DataType.FP64)
    return tuple(replace(spec, datatype=width) if spec.datatype in floats else spec for spec in inputs)


def _initial_types(inputs: tuple[TensorSpec, ...], types: Any) -> list[tuple[str, Any]]:
    """Each converter takes only the type classes of its own library."""
    kinds = {
        DataType.FP32: types.FloatTensorType,
        DataType.FP64: types.DoubleTensorType,
        DataType.INT64: types.Int64TensorType,
        DataType.BYTES: types.StringTensorType,
    }
    return [(spec.name, kinds[spec.datatype]([size if size > 0 else None for size in spec.shape])) for spec in inputs]
