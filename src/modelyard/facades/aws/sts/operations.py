"""Operations of STS."""

from modelyard.control.access_keys.service import AccessKeyService
from modelyard.control.documents.service import DocumentService
from modelyard.facades.aws.iam.roles import is_deleted
from modelyard.facades.aws.iam.users import user_arn
from modelyard.facades.aws.wire.errors import AwsError
from modelyard.facades.aws.wire.operations import Answer, Call, Request, operation
from modelyard.types.access import Action
from modelyard.types.foreign.access_keys import TemporaryKey

_SESSION_SECONDS = 12 * 3600
_ROLE_SECONDS = 3600
_ASSUMED = "assumed-role/"
"""Before role and session in the names of keys that AssumeRole gave."""


class StsOperations:
    """Who the caller is, and credentials for a while."""

    def __init__(self, access_keys: AccessKeyService, documents: DocumentService) -> None:
        self._access_keys = access_keys
        self._documents = documents

    @operation("sts", "GetCallerIdentity", Action.READ)
    def get_caller_identity(self, call: Call, request: Request) -> Answer:  # noqa: ARG002 - it has no members
        """The access key as a user of the installation's account, or as the session of a role."""
        role, _, session = call.principal.name.removeprefix(_ASSUMED).partition("/")
        is_assumed = bool(call.session_token) and call.principal.name.startswith(_ASSUMED)
        return {
            "UserId": f"{_role_id(call)}:{session}" if is_assumed else call.access_key,
            "Account": call.account_id,
            "Arn": _session_arn(call, role, session) if is_assumed else user_arn(call, call.principal.name),
        }

    @operation("sts", "GetSessionToken", Action.READ, partly="SerialNumber and TokenCode have no effect.")
    def get_session_token(self, call: Call, request: Request) -> Answer:
        """A key for a while that may do what the caller may."""
        name = call.principal.name if call.session_token else call.principal.name.removeprefix(_ASSUMED)
        return {"Credentials": _credentials(self._lend(call, name, request, _SESSION_SECONDS))}

    @operation("sts", "AssumeRole", Action.READ, partly="Policies have no effect: the key may do what the caller may.")
    def assume_role(self, call: Call, request: Request) -> Answer:
        """A key for a while, under the session's name; never more than the caller may."""
        session, role = request["RoleSessionName"], request["RoleArn"].rpartition("/")[2]
        if is_deleted(self._documents, call, role):
            words = f"{self.get_caller_identity(call, {})['Arn']} is not authorized to perform: sts:AssumeRole"
            raise AwsError("AccessDenied", f"User: {words} on resource: {request['RoleArn']}", status=403)
        key = self._lend(call, f"{_ASSUMED}{role}/{session}", request, _ROLE_SECONDS)
        return {
            "Credentials": _credentials(key),
            "AssumedRoleUser": {
                "AssumedRoleId": f"{_role_id(call)}:{session}",
                "Arn": _session_arn(call, role, session),
            },
        }

    def _lend(self, call: Call, name: str, request: Request, seconds: int) -> TemporaryKey:
        """A temporary key does not outlive the temporary key that asks for it."""
        until = call.principal.expires_at
        wanted = float(request.get("DurationSeconds", seconds))
        return self._access_keys.lend(name, call.project, call.principal.role, wanted, until)


def _role_id(call: Call) -> str:
    return f"AROA{call.account_id}"


def _session_arn(call: Call, role: str, session: str) -> str:
    return f"arn:aws:sts::{call.account_id}:{_ASSUMED}{role}/{session}"


def _credentials(key: TemporaryKey) -> Answer:
    return {
        "AccessKeyId": key.id,
        "SecretAccessKey": key.secret,
        "SessionToken": key.session_token,
        "Expiration": key.expires_at,
    }
