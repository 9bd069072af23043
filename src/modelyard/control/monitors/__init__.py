"""Monitors: scheduled comparisons of an endpoint's traffic with the reference data of the version that serves it."""
