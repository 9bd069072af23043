"""Decisions: asks Cedar whether a principal may do an action on a project, by the policies in policies.cedar."""

import functools
from importlib import resources

from cedarpy import Entities, PolicySet, is_authorized
from msgspec import json

from modelyard.types.access import Action, Principal, Role

_ROLES = (Role.VIEWER, Role.DEVELOPER, Role.OPERATOR, Role.ADMIN)


class Policy:
    """The policies shipped with the package. Immutable and safe from any thread."""

    def __init__(self) -> None:
        self._policies = PolicySet.from_str(resources.files(__package__).joinpath("policies.cedar").read_text())
        # A decision depends on these four alone and costs about 0.1 ms, so that each is made once.
        self._decide = functools.lru_cache(maxsize=4096)(self._ask)

    def allows(self, principal: Principal, action: Action, project: str | None) -> bool:
        """True if `principal` may do `action` on `project` (None: on what belongs to no project)."""
        return self._decide(principal.role, principal.project, action, project)

    def _ask(self, role: Role, bound_to: str | None, action: Action, project: str | None) -> bool:
        caller = {"type": "Token", "id": "caller"}
        entity = {
            "uid": caller,
            "attrs": {} if bound_to is None else {"project": {"__entity": {"type": "Project", "id": bound_to}}},
            "parents": [{"type": "Role", "id": role}],
        }
        request = {
            "principal": caller,
            "action": {"type": "Action", "id": action},
            "resource": {"type": "Platform", "id": ""} if project is None else {"type": "Project", "id": project},
            "context": {},
        }
        entities = Entities.from_json_str(json.encode([entity, *_role_entities()]).decode())
        return bool(is_authorized(request, self._policies, entities).allowed)


def _role_entities() -> list[dict[str, object]]:
    below = (None, *_ROLES)
    return [
        {
            "uid": {"type": "Role", "id": role},
            "attrs": {},
            "parents": [] if lower is None else [{"type": "Role", "id": lower}],
        }
        for lower, role in zip(below, _ROLES, strict=False)
    ]
