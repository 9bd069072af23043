"""Conformance suites over the contracts, for those who write their own engine or runtime."""

import pytest

pytest.register_assert_rewrite("modelyard.testing.engine", "modelyard.testing.runtime")
