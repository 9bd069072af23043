"""The parts of `python -m benchmarks.drift`."""
