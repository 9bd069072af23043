"""Pipelines as people train them on data frames: columns by name, numbers with gaps, texts with gaps."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder

from modelyard.runtimes.base import Tensors
from modelyard.types.signatures import DataType, Signature


def customers(rows: int = 300, seed: int = 0) -> pd.DataFrame:
    """Ages to a tenth, which trees split at; whole children; incomes; cities and plans; one value in ten missing."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": random.normal(40, 12, rows).round(1),
            "city": random.choice(["delft", "gouda", "edam"], rows),
            "income": random.lognormal(8, 1, rows).round(),
            "plan": random.choice(["basic", "full"], rows),
            "children": random.integers(0, 4, rows),
        }
    )
    frame.loc[random.random(rows) < 0.1, "age"] = np.nan
    frame.loc[random.random(rows) < 0.1, "city"] = np.nan
    return frame


def leaves(frame: pd.DataFrame) -> pd.Series:
    """What is predicted: a text."""
    is_likely = frame.age.fillna(40) + 20 * (frame.city == "delft") - 5 * frame.children > 42
    return is_likely.map({True: "leaves", False: "stays"})


def tensors_of(frame: pd.DataFrame, signature: Signature) -> Tensors:
    """The inputs of a signature, out of the columns that it names."""
    return {
        spec.name: frame[list(spec.columns)].fillna("").to_numpy(object)
        if spec.datatype is DataType.BYTES
        else frame[list(spec.columns)].to_numpy(np.float64)
        for spec in signature.inputs
    }


def _columns(encoder: Any, *, fills_texts: bool = True, **settings: Any) -> ColumnTransformer:
    texts = make_pipeline(SimpleImputer(strategy="most_frequent"), encoder) if fills_texts else encoder
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    return ColumnTransformer([("numbers", numbers, ["income", "age"]), ("texts", texts, ["city", "plan"])], **settings)


def _one_hot() -> OneHotEncoder:
    return OneHotEncoder(handle_unknown="ignore")


def _codes() -> OrdinalEncoder:
    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)


def _selected() -> ColumnTransformer:
    return ColumnTransformer(
        [
            ("numbers", SimpleImputer(), make_column_selector(dtype_include=np.number)),
            ("texts", _one_hot(), make_column_selector(dtype_exclude=np.number)),
        ]
    )


def _coded_numbers() -> ColumnTransformer:
    return ColumnTransformer([("age", SimpleImputer(), ["age"]), ("categories", _one_hot(), ["plan", "children"])])


def _texts_first() -> ColumnTransformer:
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    return ColumnTransformer([("texts", _one_hot(), ["plan", "city"]), ("numbers", numbers, ["age", "income"])])


def _logistic() -> LogisticRegression:
    return LogisticRegression(max_iter=3000)


PIPELINES: dict[str, Callable[[], Pipeline]] = {
    "one-hot, logistic regression": lambda: make_pipeline(_columns(_one_hot()), _logistic()),
    "gaps are categories": lambda: make_pipeline(_columns(_one_hot(), fills_texts=False), _logistic()),
    "the remaining columns pass": lambda: make_pipeline(_columns(_one_hot(), remainder="passthrough"), _logistic()),
    "columns by their type": lambda: make_pipeline(_selected(), _logistic()),
    "numbers that are categories": lambda: make_pipeline(_coded_numbers(), _logistic()),
    "target means": lambda: make_pipeline(_columns(TargetEncoder()), _logistic()),
    "random forest": lambda: make_pipeline(_columns(_one_hot()), RandomForestClassifier(30, random_state=0)),
    "texts first, random forest": lambda: make_pipeline(_texts_first(), RandomForestClassifier(30, random_state=0)),
    "texts first, logistic regression": lambda: make_pipeline(_texts_first(), _logistic()),
    "gradient boosting": lambda: make_pipeline(_columns(_one_hot()), GradientBoostingClassifier(random_state=0)),
    "histogram boosting": lambda: make_pipeline(
        _columns(_codes(), fills_texts=False), HistGradientBoostingClassifier(max_iter=30, random_state=0)
    ),
}
