"""Operations of IAM that ask what somebody may do."""

from itertools import product

from modelyard.facades.aws.wire.operations import Answer, Call, Request, operation
from modelyard.types.access import Action


class PolicyOperations:
    """What is asked about policies."""

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
