"""Conformance suites over the contracts, for those who write their own engine or runtime."""
