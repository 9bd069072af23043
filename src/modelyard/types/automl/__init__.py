"""AutoML: what it is asked, and what it reports."""
