"""Two members train one network with torch. Runs only where PyTorch is installed (see conftest.py)."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
import torch

from modelyard.sdk.client import Client
from modelyard.testing.programs import Program
from modelyard.types.processes import Resources

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "run-your-own-script.md"
pytestmark = pytest.mark.slow


def test_the_script_of_the_guide_trains_in_two_processes_that_agree(tmp_path: Path):
    (source,) = re.findall(r"```python\n# train_ddp\.py\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    both = source.replace("if rank == 0:\n    torch.save(", "torch.save(").replace(
        '"weights.pt"', 'f"weights-{rank}.pt"'
    )
    (tmp_path / "train_ddp.py").write_text(both)
    random = np.random.default_rng(0)
    rooms, area = random.integers(1, 9, 400), random.uniform(20, 200, 400).round(1)
    pa.csv.write_csv(pa.table({"rooms": rooms, "area": area, "price": area * 3 + rooms * 10}), tmp_path / "houses.csv")
    program = Program(tmp_path / "home", "modelyard.server.up")
    try:
        url = program.start("--port", "0").ready()
        with Client(url, program.token) as client:
            client.datasets.upload("houses", tmp_path / "houses.csv")
            client.projects.allow_code("default", "a test")
            half = Resources(cpus=1, memory_bytes=1 << 30)
            job = client.jobs.run(tmp_path / "train_ddp.py", data="houses", hosts=2, resources=half, wait=True)
            client.jobs.download(job.id, tmp_path / "left")
            losses = [point.value for point in client.jobs.metrics(job.id)]
    finally:
        program.end()
    assert len(losses) == 300, "those of rank 0 alone"
    assert losses[-1] < losses[0] / 50
    first, second = (torch.load(tmp_path / "left" / "output" / f"weights-{rank}.pt") for rank in (0, 1))
    assert torch.equal(first["weight"], second["weight"]), "they have one model between them"
