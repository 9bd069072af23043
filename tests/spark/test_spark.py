"""The Spark guide as it stands: a pipeline trains, is registered and deployed, and answers as Spark did.

Fetches Spark (half a gigabyte) and needs Java, so it is run by `make test-spark`.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow.csv
import pytest

from modelyard.sdk.client import Client
from modelyard.sdk.errors import WaitFailedError
from modelyard.testing.docs.guide import Guide
from modelyard.testing.programs import Program
from modelyard.types.processes import Resources

# Whoever runs it first fetches Spark.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
GUIDE = Guide("docs/how-to/train-with-spark.md")
CONVERTED = (
    "classification.LogisticRegression(labelCol='benign', maxIter=20)",
    "classification.GBTClassifier(labelCol='benign', maxIter=3, seed=1)",
    "regression.LinearRegression(labelCol='benign')",
    "regression.RandomForestRegressor(labelCol='benign', numTrees=5, seed=1)",
)
REFUSED = "regression.GBTRegressor(labelCol='benign', maxIter=3, seed=1)"
ESTIMATORS = """
import os
from pathlib import Path

from modelyard.spark import ConversionDiffersError, save_onnx
from pyspark.ml import Pipeline, classification, regression
from pyspark.ml.feature import StandardScaler, VectorAssembler
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
assert spark.sparkContext.master == f"local[{os.environ['MODELYARD_THREADS']}]"
rows = spark.read.csv(os.environ["MODELYARD_CHANNEL_TRAIN"], header=True, inferSchema=True)
names = [name for name in rows.columns if name != "benign"][:10]
first = VectorAssembler(inputCols=names, outputCol="raw"), StandardScaler(inputCol="raw", outputCol="features")
for estimator in (%s):
    model = Pipeline(stages=[*first, estimator]).fit(rows)
    try:
        save_onnx(model, rows, os.environ["MODELYARD_OUTPUT"])
        print(type(estimator).__name__, "converted", flush=True)
    except ConversionDiffersError as error:
        print(type(estimator).__name__, "refused:", error, flush=True)
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    program = Program(tmp_path_factory.mktemp("platform") / "home", "modelyard.server.up")
    try:
        program.start("--port", "0").ready()
        yield program
    finally:
        program.end()


@pytest.fixture
def client(platform: Program) -> Iterator[Client]:
    url = platform.wait_for_line("is ready at ").split("is ready at ")[1].split()[0]
    with Client(url, platform.token) as client:
        yield client


def test_a_pipeline_trains_is_registered_and_deployed_and_answers_as_spark_did(
    platform: Program, client: Client, tmp_path: Path
):
    GUIDE.follow(tmp_path, platform.home, seconds=1800)

    (job,) = client.jobs.list(kind="script")
    assert job.result["model_version"] == "cells:1"
    assert job.metrics["accuracy"] > 0.9
    assert job.conditions.machine.libraries["pyspark"]
    assert client.models.get("cells").lineage.environment == job.recipe.script.environment
    client.jobs.download(job.id, tmp_path / "left")
    assert client.models.get("cells").manifest.signature.inputs[0].columns[:2] == ("mean_radius", "mean_texture")
    answers = pyarrow.csv.read_csv(tmp_path / "left" / "output" / "answers.csv").to_pylist()
    assert len(answers) > 80
    assert len({row["prediction"] for row in answers}) == 2
    for row in answers:
        expected = row.pop("prediction")
        (answer,) = client.predict("cells", row)
        assert float(answer.value) == expected, row


def test_every_estimator_of_the_guide_converts_or_is_refused_as_it_says(client: Client, tmp_path: Path):
    (tmp_path / "many.py").write_text(ESTIMATORS % f"{', '.join(CONVERTED)}, {REFUSED}")
    memory = Resources(cpus=1, memory_bytes=4 << 30)
    job = client.jobs.run(tmp_path / "many.py", data="cells", environment="spark", resources=memory, wait=True)
    lines = [line for line in client.jobs.logs(job.id) if " converted" in line or " refused" in line]
    assert [line.split()[1] for line in lines] == ["converted"] * 4 + ["refused:"]
    assert "answers of the ONNX model differ from Spark's" in lines[-1]


def test_a_script_that_fails_in_spark_says_why(client: Client, tmp_path: Path):
    (tmp_path / "fails.py").write_text(
        "from pyspark.sql import SparkSession\nSparkSession.builder.getOrCreate().read.parquet('/nowhere')\n"
    )
    with pytest.raises(WaitFailedError, match="PATH_NOT_FOUND"):
        client.jobs.run(
            tmp_path / "fails.py", environment="spark", resources=Resources(memory_bytes=4 << 30), wait=True
        )
