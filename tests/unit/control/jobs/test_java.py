"""Which Java Spark gets, and what it is told."""

from pathlib import Path

import pytest

from modelyard.control.jobs.scripts.errors import JavaMissingError
from modelyard.control.jobs.scripts.java import find_java, runs_spark, spark_variables


def install(folder: Path, name: str, version: str) -> Path:
    home = folder / name
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").touch(mode=0o755)
    (home / "release").write_text(f'IMPLEMENTOR="Somebody"\nJAVA_VERSION="{version}"\n')
    return home


def test_spark_gets_the_oldest_java_that_will_do_unless_one_is_named(tmp_path: Path):
    install(tmp_path, "eight", "1.8.0_402")
    seventeen, newest = install(tmp_path, "seventeen", "17.0.15"), install(tmp_path, "newest", "25")
    (tmp_path / "empty").mkdir()
    assert (find_java({}, tmp_path).home, find_java({}, tmp_path).version) == (seventeen, 17)
    assert find_java({"JAVA_HOME": str(newest)}, tmp_path).version == 25
    assert find_java({"JAVA_HOME": str(tmp_path / "eight")}, tmp_path).home == seventeen
    assert find_java({"PATH": str(newest / "bin")}, tmp_path / "nothing").home == newest
    assert [mount.path for mount in find_java({}, tmp_path).mounts()] == [str(seventeen)]


def test_a_machine_without_such_a_java_says_what_it_has_and_what_to_install(tmp_path: Path):
    install(tmp_path, "eight", "1.8.0_402")
    with pytest.raises(JavaMissingError, match="this machine has Java 8") as refused:
        find_java({}, tmp_path)
    assert "apt-get install openjdk-17-jre-headless" in refused.value.hint
    with pytest.raises(JavaMissingError, match="this machine has none"):
        find_java({}, tmp_path / "nothing")


def test_configuration_that_a_distribution_keeps_in_etc_is_seen_as_well(tmp_path: Path):
    home = install(tmp_path, "seventeen", "17.0.15")
    (home / "conf").mkdir()
    (home / "conf" / "net.properties").symlink_to("/etc/ssl/openssl.cnf")
    (home / "conf" / "own.properties").symlink_to(home / "release")
    assert [mount.path for mount in find_java({}, tmp_path).mounts()] == [str(home), "/etc/ssl"]


def test_only_locks_with_pyspark_need_java():
    assert runs_spark("numpy==2.0\npyspark==4.3.0 \\\n    --hash=sha256:0\n")
    assert runs_spark("pyspark[ml]==4.3.0\n")
    assert not runs_spark("# pyspark==4\npyspark-client==4.3.0\nnumpy==2.0\n")


def test_spark_works_in_one_process_with_what_the_job_has(tmp_path: Path):
    java = find_java({}, install(tmp_path, "seventeen", "17.0.15").parent)
    told = spark_variables(java, Path("/environment/bin/python"), 2, 4 << 30)
    assert told["PYSPARK_SUBMIT_ARGS"] == (
        "--master local[2] --conf spark.ui.enabled=false --conf spark.ui.showConsoleProgress=false "
        "--driver-memory 2048m pyspark-shell"
    )
    assert told["JAVA_HOME"] == str(java.home)
    assert "--driver-memory 512m" in spark_variables(java, Path("python"), 1, 256 << 20)["PYSPARK_SUBMIT_ARGS"]
    assert "--driver-memory" not in spark_variables(java, Path("python"), 1, None)["PYSPARK_SUBMIT_ARGS"]
