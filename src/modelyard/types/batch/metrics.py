"""Names of the metrics in which a batch job tells how far it is."""

ROWS = "rows"
TOTAL_ROWS = "total_rows"
FAILED_ROWS = "failed_rows"
ROWS_PER_SECOND = "rows_per_second"
EXPECTED_END = "expected_end"
"""Seconds since 1970."""
