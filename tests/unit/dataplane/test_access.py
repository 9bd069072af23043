"""Whoever a routing table leaves out is nobody any more, also if the table cannot be followed to its end."""

import hashlib

import pytest

from modelyard.dataplane.gateway.access import Access
from modelyard.errors import UnauthenticatedError
from modelyard.types.access import Role
from modelyard.types.routing import RouteToken


def test_a_token_that_was_accepted_is_forgotten_though_the_next_table_is_damaged():
    access = Access()
    digest = hashlib.sha256(b"secret").hexdigest()
    access.follow([RouteToken(id="own", secret_sha256=digest, project="shop", role=Role.VIEWER)])
    assert access.authenticate(b"Bearer secret").token_id == "own"
    with pytest.raises(ValueError, match="hexadecimal"):
        access.follow([RouteToken(id="other", secret_sha256="no digest", project="shop", role=Role.VIEWER)])
    with pytest.raises(UnauthenticatedError):
        access.authenticate(b"Bearer secret")
