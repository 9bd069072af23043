"""Tables of experiments."""

from sqlalchemy import BigInteger, Column, Integer, String, Table

from modelyard.storage.metadata import jobs_metadata

job_runs = Table(
    "job_runs",
    jobs_metadata,
    Column("job", String(64), primary_key=True),
    Column("attempt", Integer, nullable=False),
    Column("run", String(64), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("is_done", Integer, nullable=False),
)
"""How far a job's attempt has been told to MLflow: its run there, the last of its metric points, and whether all is."""
