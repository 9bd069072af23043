"""What jobs ran on: as their process tells it, as it is read, and what differs between two runs in words."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from modelyard.algorithms.programs import machine
from modelyard.control.jobs.conditions import read_machine
from modelyard.control.jobs.reruns.comparing import compare
from modelyard.control.jobs.scripts.places import FACTS
from modelyard.types.scripting.conditions import Conditions, Machine

HERE = Machine(
    cpu="One", instructions=("avx2", "fma"), cores=4, system="Debian", kernel="6", python="3.11.7",
    libraries={"numpy": "2.4.6"}, blas=("openblas 0.3 Haswell, 1 threads",),
)  # fmt: skip
RUN = Conditions(data={"train": "d" * 64}, threads=1, machine=HERE)


def test_a_process_tells_what_it_runs_on_and_becomes_the_command(tmp_path: Path):
    told = tmp_path / "machine.json"
    command = [sys.executable, "-c", "import os, sys; print(os.environ['WORD'], sys.argv[1:])", "a b", "c"]
    done = subprocess.run(
        [sys.executable, "-I", "-B", machine.__file__, told, *command],
        env={**os.environ, "WORD": "kept", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "kept ['a b', 'c']\n"
    (tmp_path / FACTS).mkdir()
    told.rename(tmp_path / FACTS / "machine.json")
    found = read_machine(tmp_path)
    assert found.python == ".".join(map(str, sys.version_info[:3]))
    assert found.cores == len(os.sched_getaffinity(0))
    assert {"numpy", "scikit-learn", "onnxruntime", "modelyard"} <= found.libraries.keys()
    assert any("openblas" in each and each.endswith("1 threads") for each in found.blas)
    assert Path("/proc/cpuinfo").read_text().count(found.cpu) > 0


@pytest.mark.parametrize("content", ["", "[]", '{"cores": "many"}', "{" + " " * (1 << 17) + "}"])
def test_facts_that_are_none_count_as_none(tmp_path: Path, content: str):
    (tmp_path / "machine.json").write_text(content)
    assert read_machine(tmp_path) is None


def test_facts_behind_a_link_are_not_read(tmp_path: Path):
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps({"cpu": "of somebody else"}))
    folder = tmp_path / "job"
    folder.mkdir()
    (folder / "machine.json").symlink_to(secret)
    assert read_machine(folder) is None


def test_a_processor_of_another_kind_tells_its_instructions(tmp_path: Path):
    (tmp_path / "cpuinfo").write_text(
        "processor\t: 0\nmodel name\t: Fine CPU @ 3 GHz\nflags\t: fpu avx2\n\nprocessor: 1\n"
    )
    assert machine._cpu(tmp_path / "cpuinfo")["model name"] == "Fine CPU @ 3 GHz"
    assert machine._cpu(tmp_path / "nothing") == {}


def test_what_is_equal_is_no_change_and_all_else_is_named_in_words():
    assert compare(RUN, RUN) == ()
    assert compare(None, None) == ()
    other = replace(
        HERE, cpu="Two", instructions=("avx2", "avx512f"), cores=8, libraries={"numpy": "2.5.0", "torch": "3.0"}
    )
    changes = compare(RUN, Conditions(data={"train": "e" * 64}, threads=2, machine=other))
    assert [(each.name, each.before, each.after) for each in changes] == [
        ("data of 'train'", "d" * 64, "e" * 64),
        ("threads", "1", "2"),
        ("processor", "One", "Two"),
        ("instructions of the processor", "fma", "avx512f"),
        ("cores", "4", "8"),
        ("version of numpy", "2.4.6", "2.5.0"),
        ("version of torch", "not there", "3.0"),
    ]


def test_a_run_whose_machine_is_not_known_says_so():
    (change,) = compare(RUN, replace(RUN, machine=None))
    assert (change.name, change.before, change.after) == ("machine", "recorded", "not recorded")
    (change,) = compare(None, RUN)
    assert (change.name, change.before) == ("conditions of the run", "not recorded")
