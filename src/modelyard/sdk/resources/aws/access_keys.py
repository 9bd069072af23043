"""Access keys: what the AWS APIs and S3 are signed with."""

from dataclasses import dataclass, field

from modelyard.sdk.calls import Mode, Pages, call, listing
from modelyard.sdk.resource import REGISTRY, Resource, at, delete, pages, put
from modelyard.sdk.steps import Flow
from modelyard.types.access import Role
from modelyard.types.foreign.access_keys import AccessKey


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKeyWithSecret:
    """An access key and what signs with it."""

    key: AccessKey
    secret: str = field(repr=False)


class AccessKeys(Resource[Mode]):
    """Pairs of an id and a secret, each for one project."""

    @call
    def ensure(
        self, name: str, *, project: str | None = None, role: Role | str = Role.OPERATOR
    ) -> Flow[AccessKeyWithSecret]:
        """The key of this name and role in a project; a new one if there is none in force.

        Args:
            name: who or what uses it.
            project: that it works in; None: the client's.
            role: what it may do there.
        """
        body = {"name": name, "project": project or self._project, "role": Role(role)}
        return put(AccessKeyWithSecret, at(REGISTRY, "access-keys"), body)

    @call
    def revoke(self, id: str) -> Flow[None]:
        """End a key now."""
        return delete(at(REGISTRY, "access-keys", id))

    @listing
    def list(self, *, project: str | None = None) -> Pages[AccessKey]:
        """Keys, newest first, without secrets."""
        return pages(AccessKey, at(REGISTRY, "access-keys"), {"project": project})
