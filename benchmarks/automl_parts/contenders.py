"""Those that are compared: each trains on a frame within a time, and answers another one.

An answer is (n, classes) probabilities, their columns in the order of the sorted classes, or (n,) numbers.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from benchmarks.automl_parts.tables import CLASSES, Table
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

from modelyard.algorithms.base import Channel
from modelyard.algorithms.jobfile import JOB_FILE, JobFile
from modelyard.algorithms.tables.tensors import to_tensors
from modelyard.data.tables import read_table
from modelyard.runtimes.base import Predictor
from modelyard.runtimes.bundle import load_bundle
from modelyard.types.automl.recipes import AutoMLRecipe, AutoMLTask
from modelyard.types.datasets import DatasetFormat
from modelyard.types.jobs import JobRecipe
from modelyard.types.models import DataReference, Manifest


def modelyard(table: Table, train: pd.DataFrame, test: pd.DataFrame, seconds: float, seed: int) -> Any:
    """The AutoML job, as the process that it is. A twentieth of the rows is held out, the least that it takes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train.to_csv(folder / "train.csv", index=False)
        test.drop(columns=table.target).to_csv(folder / "test.csv", index=False)
        reference = DataReference(project="default", dataset="table", number=1, digest="0" * 64)
        automl = AutoMLRecipe(budget_seconds=seconds, task=AutoMLTask(table.task), holdout_share=0.05)
        recipe = JobRecipe(algorithm="automl", target=table.target, seed=seed, automl=automl)
        channel = Channel(path=folder / "train.csv", format=DatasetFormat.CSV, reference=reference)
        manifest, predictor = run_job(folder, JobFile(recipe=recipe, channels={"train": channel}))
        rows = read_table(folder / "test.csv", DatasetFormat.CSV)
        answers = predictor.predict(to_tensors(rows, manifest.signature.inputs))
    if table.task != CLASSES:
        return answers["prediction"].reshape(-1)
    places = {name: place for place, name in enumerate(manifest.signature.class_names)}
    return answers["probabilities"][:, [places[name] for name in sorted(places)]]


def run_job(folder: Path, job: JobFile) -> tuple[Manifest, Predictor]:
    """The bundle that a job's process makes in a folder.

    Raises:
        RuntimeError: it failed; the message has the end of its log.
    """
    (folder / JOB_FILE).write_bytes(job.to_json())
    command = [sys.executable, "-m", "modelyard.algorithms.run", "--job", str(folder)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if ended.returncode:
        raise RuntimeError(f"the job ended with {ended.returncode}: {ended.stdout[-2000:]}")
    return load_bundle(folder / "output")


def flaml(table: Table, train: pd.DataFrame, test: pd.DataFrame, seconds: float, seed: int) -> Any:
    """FLAML with all its estimators that are installed, on one core, in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train.to_pickle(folder / "train.pickle")
        test.drop(columns=table.target).to_pickle(folder / "test.pickle")
        module = "benchmarks.automl_parts.flaml_alone"
        command = [sys.executable, "-m", module, str(folder), table.target, table.task, str(seconds), str(seed)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return np.load(folder / "answers.npy")


def autogluon(table: Table, train: pd.DataFrame, test: pd.DataFrame, seconds: float, python: Path) -> Any:
    """AutoGluon with its usual preset, on one core, by an interpreter that has it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train.reset_index(drop=True).to_parquet(folder / "train.parquet")
        test.drop(columns=table.target).reset_index(drop=True).to_parquet(folder / "test.parquet")
        program = Path(__file__).with_name("autogluon_alone.py")
        command = [python, str(program), str(folder), table.target, table.task, str(seconds)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return np.load(folder / "answers.npy")


def xgboost(table: Table, train: pd.DataFrame, test: pd.DataFrame, seed: int) -> Any:
    """XGBoost as it is when nobody sets anything."""
    from xgboost import XGBClassifier, XGBRegressor  # noqa: PLC0415 - slow

    inputs, given = _categorical(table, train, test)
    if table.task != CLASSES:
        return (
            XGBRegressor(enable_categorical=True, n_jobs=1, random_state=seed)
            .fit(inputs, train[table.target])
            .predict(given)
        )
    numbers = np.unique(train[table.target], return_inverse=True)[1]
    return XGBClassifier(enable_categorical=True, n_jobs=1, random_state=seed).fit(inputs, numbers).predict_proba(given)


def forest(table: Table, train: pd.DataFrame, test: pd.DataFrame, seed: int) -> Any:
    """scikit-learn's random forest as it is when nobody sets anything: categories as numbers, gaps as medians."""
    inputs, given = (
        frame.apply(lambda column: column.cat.codes if hasattr(column, "cat") else column)
        for frame in _categorical(table, train, test)
    )
    kind = RandomForestClassifier if table.task == CLASSES else RandomForestRegressor
    model = make_pipeline(SimpleImputer(strategy="median"), kind(n_jobs=1, random_state=seed))
    model.fit(inputs, train[table.target])
    return model.predict_proba(given) if table.task == CLASSES else model.predict(given)


def _categorical(table: Table, train: pd.DataFrame, test: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    inputs, given = train.drop(columns=table.target), test.drop(columns=table.target)
    for name in inputs.columns:
        if not pd.api.types.is_numeric_dtype(inputs[name]):
            kind = pd.CategoricalDtype(sorted(inputs[name].dropna().astype(str).unique()))
            inputs[name], given[name] = inputs[name].astype(str).astype(kind), given[name].astype(str).astype(kind)
    return inputs, given
