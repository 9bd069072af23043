"""The built-in algorithms as the Jobs API shows them."""
