"""Conformance suites over the contracts of the applications with each other."""
