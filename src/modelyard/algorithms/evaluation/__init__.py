"""Measuring: metrics with confidence intervals, paired comparison, and the evaluation job."""
