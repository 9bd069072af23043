"""Operations of IAM that ask who somebody is: an access key is a user here."""

from modelyard.control.access_keys.service import AccessKeyService
from modelyard.facades.aws.iam.roles import no_entity
from modelyard.facades.aws.wire.errors import AwsError
from modelyard.facades.aws.wire.operations import Answer, Call, Request, operation
from modelyard.types.access import Action
from modelyard.types.foreign.access_keys import AccessKey


class UserOperations:
    """The access keys of a project as users."""

    def __init__(self, access_keys: AccessKeyService) -> None:
        self._access_keys = access_keys

    @operation("iam", "GetUser", Action.READ)
    def get_user(self, call: Call, request: Request) -> Answer:
        """The caller, or the user of a name: of several keys with one name the newest is it."""
        name = request.get("UserName")
        if name is None and call.session_token:
            raise AwsError("ValidationError", "Must specify userName when calling with non-User credentials")
        for key in self._access_keys.in_force(call.project):
            if (name is None and key.id == call.access_key) or name == _name(key):
                return {"User": _user(call, key)}
        raise no_entity(f"The user with name {name} cannot be found.")

    @operation("iam", "ListUsers", Action.READ, partly="The access keys of the project, all in one page.")
    def list_users(self, call: Call, request: Request) -> Answer:
        """Those whose path begins as it is asked."""
        users = [_user(call, key) for key in self._access_keys.in_force(call.project)]
        prefix = request.get("PathPrefix", "/")
        return {"Users": [each for each in users if each["Path"].startswith(prefix)], "IsTruncated": False}

    @operation("iam", "ListAccountAliases", Action.READ)
    def list_account_aliases(self, call: Call, request: Request) -> Answer:  # noqa: ARG002 - there are none to choose from
        """An installation has a number and no other name."""
        return {"AccountAliases": [], "IsTruncated": False}


def user_arn(call: Call, name: str) -> str:
    """The ARN of the user that an access key of this name is."""
    return f"arn:aws:iam::{call.account_id}:user/{call.project}/{name.replace(' ', '-')}"


def _name(key: AccessKey) -> str:
    return key.name.replace(" ", "-")


def _user(call: Call, key: AccessKey) -> Answer:
    return {
        "Path": f"/{key.project}/",
        "UserName": _name(key),
        "UserId": key.id,
        "Arn": user_arn(call, key.name),
        "CreateDate": key.created_at,
    }
