"""Write the alembic script that brings the tables of one branch to what the code says.

Usage: python scripts/make_migration.py BRANCH MESSAGE      (BRANCH: common, registry, jobs or operations)
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from alembic import command

from modelyard.control.tables import load_tables
from modelyard.storage.database import Database
from modelyard.storage.metadata import BRANCHES
from modelyard.storage.migrate import MIGRATIONS, branch_config


def main(branch: str, message: str) -> None:
    """Migrate an empty SQLite database to the newest script, then write down what is still missing."""
    load_tables()
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/empty.db")
        database.upgrade(branch)
        number = len(list((MIGRATIONS / branch).glob("m[0-9]*.py"))) + 1
        with database.transaction() as connection:
            config = branch_config(connection, branch)
            config.set_main_option("file_template", "m%%(rev)s_%%(slug)s")
            command.revision(config, message=message, autogenerate=True, rev_id=f"{number:04d}")
        database.close()
    written = sorted((MIGRATIONS / branch).glob(f"m{number:04d}_*.py"))
    for arguments in (["check", "--fix", "--quiet", "--exit-zero"], ["format", "--quiet"]):
        subprocess.run([Path(sys.executable).parent / "ruff", *arguments, *written], check=True)
    print(*written, sep="\n")


if __name__ == "__main__":
    match sys.argv[1:]:
        case [branch, message] if branch in BRANCHES:
            main(branch, message)
        case _:
            sys.exit(__doc__)
