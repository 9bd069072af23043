"""From a signature to one of our callers."""

from dataclasses import dataclass

from modelyard.control.access_keys.service import AccessKeyService
from modelyard.control.rest.audit_log import AuditLog
from modelyard.control.rest.guard import Guard
from modelyard.facades.aws.wire.requests import WireRequest
from modelyard.facades.aws.wire.signatures import Signature
from modelyard.facades.aws.wire.verification import check_signature, check_time
from modelyard.kit.clock import Clock
from modelyard.kit.ids import new_id
from modelyard.types.access import AuditEntry, Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Whose APIs these are.

    Attributes:
        account_id: 12 digits.
        guard: knows roles and projects.
        audit: keeps who changed what.
    """

    account_id: str
    guard: Guard
    access_keys: AccessKeyService
    audit: AuditLog
    clock: Clock

    def note(self, principal: Principal, method: str, path: str, status: int) -> None:
        """Take down a change that somebody asked for."""
        self.audit.record(
            AuditEntry(
                id=new_id("audit"),
                at=self.clock.now(),
                principal_id=principal.id,
                principal_name=principal.name,
                project=principal.project,
                method=method,
                path=path,
                status=status,
            )
        )


def identify(
    signature: Signature,
    request: WireRequest,
    keys: AccessKeyService,
    clock: Clock,
    payload_sha256: str | None = None,
) -> Principal:
    """Who has signed the request, whose body must be there, or what stands for it in the signature.

    Raises:
        UnauthenticatedError: the key is not known, or its time is over.
        AwsError: the signature is of another time, another secret or another request.
    """
    check_time(signature, clock.now())
    key = keys.find(signature.access_key, signature.session_token)
    check_signature(signature, request, key.secret, payload_sha256)
    return Principal(id=key.id, name=key.name, role=key.role, project=key.project, expires_at=key.expires_at)
