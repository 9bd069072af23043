"""Programs that benchmarks/batch.py runs in turns."""
