"""Jobs that are run again from their records, and whether the same came out."""
