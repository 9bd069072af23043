"""Migration scripts make exactly the tables that the code describes."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from modelyard.control.tables import load_tables
from modelyard.storage.database import Database
from modelyard.storage.metadata import BRANCHES


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
