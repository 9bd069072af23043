"""The Cedar policies, row by row."""

import itertools

import pytest

from modelyard.control.rest.policy import Policy
from modelyard.types.access import Action, Principal, Role

ALLOWED = {
    Role.VIEWER: {Action.READ, Action.INFER},
    Role.DEVELOPER: {Action.READ, Action.INFER, Action.WRITE},
    Role.OPERATOR: {Action.READ, Action.INFER, Action.WRITE, Action.OPERATE},
    Role.ADMIN: set(Action),
}


@pytest.mark.parametrize(("role", "action"), list(itertools.product(Role, Action)))
def test_a_role_may_what_it_and_smaller_roles_may_and_nothing_else(role: Role, action: Action):
    policy = Policy()
    anywhere = Principal(id="a", name="a", role=role, project=None)
    bound = Principal(id="b", name="b", role=role, project='mine"')
    is_allowed = action in ALLOWED[role]
    assert policy.allows(anywhere, action, "any") == is_allowed
    assert policy.allows(anywhere, action, None) == is_allowed
    assert policy.allows(bound, action, 'mine"') == is_allowed
    assert not policy.allows(bound, action, "other")
    assert policy.allows(bound, action, None) == (action is Action.READ)
