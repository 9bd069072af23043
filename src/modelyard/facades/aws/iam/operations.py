"""Operations of IAM.

There are no roles of AWS's kind here. A role's name is taken and given back, so that programs which pass one around
work unchanged; what a call may do is decided by the access key's own role, every time.
"""

from datetime import UTC, datetime
from itertools import product
from urllib.parse import quote

from modelyard.facades.aws.wire.operations import Answer, Call, Request, operation
from modelyard.types.access import Action

_MADE = datetime(2020, 1, 1, tzinfo=UTC)
_TRUST = quote(
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"sagemaker.amazonaws.com"},'
    '"Action":"sts:AssumeRole"}]}'
)


class IamOperations:
    """What is asked about roles."""

    @operation("iam", "GetRole", Action.READ, partly="Every name is a role; it has no policies.")
    def get_role(self, call: Call, request: Request) -> Answer:
        """The role of this name: any is one."""
        return {"Role": _role(call, request["RoleName"])}

    @operation("iam", "ListRoles", Action.READ, partly="Shows the one role that `get_execution_role` would find.")
    def list_roles(self, call: Call, request: Request) -> Answer:  # noqa: ARG002 - there is one page
        """The role that a program may pass if it has none."""
        return {"Roles": [_role(call, "modelyard")], "IsTruncated": False}

    @operation("iam", "SimulatePrincipalPolicy", Action.READ, partly="Every action that is named counts as allowed.")
    def simulate_principal_policy(self, call: Call, request: Request) -> Answer:  # noqa: ARG002 - it is asked of a role
        """Allowed: a role limits nothing here, the access key does."""
        asked = product(request["ActionNames"], request.get("ResourceArns") or ["*"])
        return {
            "EvaluationResults": [
                {"EvalActionName": action, "EvalResourceName": resource, "EvalDecision": "allowed"}
                for action, resource in asked
            ],
            "IsTruncated": False,
        }


def _role(call: Call, name: str) -> Answer:
    return {
        "Path": "/",
        "RoleName": name,
        "RoleId": f"AROA{call.account_id}",
        "Arn": f"arn:aws:iam::{call.account_id}:role/{name}",
        "CreateDate": _MADE,
        "AssumeRolePolicyDocument": _TRUST,
        "MaxSessionDuration": 3600,
    }
