"""Operations of STS."""

from modelyard.facades.aws.wire.operations import Answer, Call, Request, operation
from modelyard.types.access import Action


class StsOperations:
    """Who the caller is."""

    @operation("sts", "GetCallerIdentity", Action.READ)
    def get_caller_identity(self, call: Call, request: Request) -> Answer:  # noqa: ARG002 - it has no members
        """The access key, as a user of the installation's account."""
        return {
            "UserId": call.access_key,
            "Account": call.account_id,
            "Arn": f"arn:aws:iam::{call.account_id}:user/{call.project}/{call.principal.name.replace(' ', '-')}",
        }
