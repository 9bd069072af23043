"""Real tables that come in the packages scikit-learn, statsmodels and river."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from sklearn import datasets

Change = Callable[[pd.DataFrame], pd.DataFrame]
CLASSES, NUMBERS = "classification", "regression"


@dataclass(frozen=True, slots=True)
class Table:
    """A table: what it is called, how it is had, which column is predicted, and what that holds."""

    name: str
    load: Callable[[], pd.DataFrame]
    target: str
    task: str


def _sklearn(name: str) -> Callable[[], pd.DataFrame]:
    def load() -> pd.DataFrame:
        found = getattr(datasets, f"load_{name}")(as_frame=True)
        frame = found.frame.copy()
        if hasattr(found, "target_names") and name != "diabetes":
            frame["target"] = [f"class {value}" for value in frame["target"]]
        return frame

    return load


def statsmodels(name: str, change: Change = lambda frame: frame) -> Callable[[], pd.DataFrame]:
    """A data set of the package statsmodels."""

    def load() -> pd.DataFrame:
        module = importlib.import_module(f"statsmodels.datasets.{name}")
        return change(module.load_pandas().data.copy())

    return load


def river(file: str, **options: object) -> Callable[[], pd.DataFrame]:
    """A file of the package river."""

    def load() -> pd.DataFrame:
        spec = importlib.util.find_spec("river")
        places = spec.submodule_search_locations if spec else None
        return pd.read_csv(Path((places or ["river is not installed"])[0]) / "datasets" / file, **options)

    return load


def _fair(frame: pd.DataFrame) -> pd.DataFrame:
    frame["had"] = ["yes" if value > 0 else "no" for value in frame.pop("affairs")]
    return frame


def _anes(frame: pd.DataFrame) -> pd.DataFrame:
    frame["vote"] = ["dole" if value else "clinton" for value in frame["vote"]]
    return frame


def _words(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    frame[column] = [f"class {value}" for value in frame[column]]
    return frame


def _modes(frame: pd.DataFrame) -> pd.DataFrame:
    return _words(frame.drop(columns="individual"), "choice")


TABLES = (
    Table("iris", _sklearn("iris"), "target", CLASSES),
    Table("wine", _sklearn("wine"), "target", CLASSES),
    Table("breast cancer", _sklearn("breast_cancer"), "target", CLASSES),
    Table("digits", _sklearn("digits"), "target", CLASSES),
    Table("diabetes", _sklearn("diabetes"), "target", NUMBERS),
    Table("affairs", statsmodels("fair", _fair), "had", CLASSES),
    Table("election 1996", statsmodels("anes96", _anes), "vote", CLASSES),
    Table(
        "travel mode",
        statsmodels("modechoice", lambda f: _words(f.drop(columns=["individual"]), "choice")),
        "choice",
        CLASSES,
    ),
    Table("doctor visits", statsmodels("randhie", lambda f: f.sample(6000, random_state=0)), "mdvis", NUMBERS),
    Table("food expenditure", statsmodels("engel"), "foodexp", NUMBERS),
    Table("phishing", lambda: _words(river("phishing.csv.gz")(), "is_phishing"), "is_phishing", CLASSES),
    Table("chick weights", river("chick-weights.csv"), "weight", NUMBERS),
    Table(
        "trump approval",
        lambda: river("trump_approval.csv.gz")().drop(columns=["ordinal_date"]),
        "five_thirty_eight",
        NUMBERS,
    ),
)
