"""Migration scripts make exactly the tables that the code describes."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from modelyard.control.endpoints.repository import EndpointRepository
from modelyard.control.tables import load_tables
from modelyard.storage.database import Database
from modelyard.storage.metadata import BRANCHES
from modelyard.storage.migrate import branch_config
from modelyard.types.endpoints import Scaling


@pytest.mark.parametrize("branch", BRANCHES)
def test_the_scripts_of_a_branch_make_its_tables(branch: str, tmp_path: Path):
    load_tables()
    database = Database(f"sqlite:///{tmp_path}/a.db")
    database.upgrade(branch)
    database.upgrade(branch)
    with database.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": f"alembic_version_{branch}", "compare_type": True}
        )
        assert compare_metadata(context, BRANCHES[branch]) == []
    database.close()


def test_four_processes_may_upgrade_one_new_database_at_once(tmp_path: Path):
    script = f"from modelyard.storage.database import Database; Database('sqlite:///{tmp_path}/a.db').upgrade('common')"
    processes = [subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE) for _ in range(4)]
    errors = [process.communicate(timeout=100)[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0, 0], errors


def test_an_unknown_branch_is_refused(tmp_path: Path):
    database = Database(f"sqlite:///{tmp_path}/a.db")
    with pytest.raises(ValueError, match="no migration branch 'x'"):
        database.upgrade("x")
    database.close()


def test_an_endpoint_of_the_first_release_is_there_after_the_upgrade_and_can_scale(tmp_path: Path):
    database = Database(f"sqlite:///{tmp_path}/a.db")
    with database.transaction() as connection:
        command.upgrade(branch_config(connection, "operations"), "0001")
        connection.exec_driver_sql(
            "INSERT INTO endpoints (project, name, variants, capture_share, is_stopped, is_deleting, status, reason, "
            "deployed, created_at, updated_at, version) VALUES ('default', 'digits', "
            '\'[{"name":"main","model":"digits","number":2}]\', 0.5, 0, 0, \'READY\', \'\', \'["digits:2"]\', '
            "'2026-01-01 00:00:00', '2026-01-01 00:00:00', 3)"
        )
    database.upgrade("operations")
    repository, scaling = EndpointRepository(), Scaling(minimum_replicas=0)
    with database.transaction() as connection:
        (found,) = repository.all(connection)
        assert (found.version, found.deployed, found.variants[0].number, found.scaling) == (3, ("digits:2",), 2, None)
        repository.update(connection, "default", "digits", scaling=scaling)
        assert repository.get(connection, "default", "digits") == replace(found, scaling=scaling)
    database.close()
