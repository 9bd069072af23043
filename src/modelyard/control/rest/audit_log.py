"""Where the applications put their audit entries."""

from typing import Protocol

from modelyard.types.access import AuditEntry


class AuditLog(Protocol):
    """Keeps who changed what. Implementation: control.audit.service.AuditService."""

    def record(self, entry: AuditEntry) -> None:
        """Store an entry durably."""
