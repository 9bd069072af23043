"""Which Pythons there are for environments, and which one a lock is for."""

import sys

import pytest

from modelyard.control.environments.building import EnvironmentBuilder
from modelyard.control.environments.errors import EnvironmentInvalidError
from modelyard.control.environments.interpreters import HERE, find_interpreter, for_python, python_of
from modelyard.engines.pythons import installation_mounts

LOCK = "numpy==2.0 --hash=sha256:0\n"


def test_a_python_that_is_not_installed_is_refused_with_those_that_are():
    with pytest.raises(EnvironmentInvalidError, match=r"no Python 2\.1 on this machine") as refused:
        find_interpreter(EnvironmentBuilder._uv(), "2.1")
    assert HERE in refused.value.hint.partition("Installed are ")[2].partition(". ")[0].split(", ")
    assert refused.value.field == "python"


def test_a_program_that_uv_names_is_asked_what_it_is(tmp_path):
    wrapper = tmp_path / "python9.9"
    wrapper.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    wrapper.chmod(0o755)
    listed = (
        '[{"implementation": "cpython", "variant": "default", "path": "/nowhere/python9.9", '
        '"version_parts": {"major": 9, "minor": 9, "patch": 1}}, '
        '{"implementation": "pypy", "variant": "default", "path": "/nowhere/pypy", '
        '"version_parts": {"major": 9, "minor": 9, "patch": 9}}, '
        f'{{"implementation": "cpython", "variant": "default", "path": "{wrapper}", '
        '"version_parts": {"major": 9, "minor": 9, "patch": 2}}]'
    )
    uv = tmp_path / "uv"
    uv.write_text(f"#!/bin/sh\necho '{listed}'\n")
    uv.chmod(0o755)
    found = find_interpreter(str(uv), "9.9")
    assert (found.version, str(found.prefix)) == (sys.version, sys.base_prefix)
    assert installation_mounts(found.prefix) == ()
    assert [mount.path for mount in installation_mounts(tmp_path)] == [str(tmp_path)]


def test_a_lock_says_which_python_it_is_for_unless_that_is_the_platforms():
    assert (for_python(LOCK, HERE), for_python(LOCK, "")) == (LOCK, LOCK)
    assert python_of(LOCK) == HERE
    assert python_of(for_python(LOCK, "3.99")) == "3.99"
    assert for_python(LOCK, "3.99").endswith(LOCK)
