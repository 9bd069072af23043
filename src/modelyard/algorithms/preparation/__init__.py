"""From datasets to arrays: classes, the held-out split, table columns and their encoding."""
