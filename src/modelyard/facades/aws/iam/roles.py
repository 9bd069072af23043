"""Operations on roles of IAM, and whether a role may be passed to SageMaker.

A role limits nothing here: what a call may do is decided by the access key's own role, every time. So any name is a
role that SageMaker may take, as programs with the name of one in them expect; one that was created here is what it was
created as, and one that was deleted here is gone.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from modelyard.control.documents.errors import DocumentNotFoundError
from modelyard.control.documents.service import DocumentService
from modelyard.facades.aws.wire.errors import AwsError, validation_error
from modelyard.facades.aws.wire.operations import Answer, Call, Request, operation
from modelyard.types.access import Action
from modelyard.types.foreign.documents import Document

KIND = "iam-role"
_MADE = datetime(2020, 1, 1, tzinfo=UTC)
_PRINCIPAL = "sagemaker.amazonaws.com"
_TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": _PRINCIPAL}, "Action": "sts:AssumeRole"}],
    }
)
_SESSION_SECONDS = 3600
_ANY = "Every name is a role, unless it was deleted here."
_NO_EFFECT = "Kept and shown; a role limits nothing."


class RoleOperations:
    """Roles and the policies that hang on them."""

    def __init__(self, documents: DocumentService) -> None:
        self._documents = documents

    @operation("iam", "CreateRole", Action.OPERATE, partly=_NO_EFFECT)
    def create_role(self, call: Call, request: Request) -> Answer:
        """A role that is shown as it was created."""
        name = request["RoleName"]
        _check_json(request["AssumeRolePolicyDocument"])
        found = self._documents.find(KIND, call.project, name)
        if found is not None and not found.content.get("is_deleted"):
            raise AwsError("EntityAlreadyExists", f"Role with name {name} already exists.", status=409)
        if found is not None:
            self._documents.discard(KIND, call.project, name)
        tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags", ())}
        kept = {key: value for key, value in request.items() if key != "Tags"}
        made = self._documents.create(KIND, call.project, name, {"request": kept, "attached": [], "inline": {}}, tags)
        return {"Role": _role(call, name, made)}

    @operation("iam", "GetRole", Action.READ, partly=_ANY)
    def get_role(self, call: Call, request: Request) -> Answer:
        """The role of this name."""
        name = request["RoleName"]
        return {"Role": _role(call, name, self._present(call, name))}

    @operation("iam", "ListRoles", Action.READ, partly="Those that were created, and one that any program may pass.")
    def list_roles(self, call: Call, request: Request) -> Answer:
        """All in one page."""
        created = (each for each in self._documents.every(KIND, call.project) if not each.content.get("is_deleted"))
        roles = [_role(call, "modelyard", None), *(_role(call, each.name, each) for each in created)]
        prefix = request.get("PathPrefix", "/")
        return {"Roles": [each for each in roles if each["Path"].startswith(prefix)], "IsTruncated": False}

    @operation("iam", "DeleteRole", Action.OPERATE)
    def delete_role(self, call: Call, request: Request) -> Answer:
        """Only without policies, as in IAM. The name is remembered as that of no role."""
        name = request["RoleName"]
        found = self._present(call, name)
        if found is not None and (found.content["attached"] or found.content["inline"]):
            words = "Cannot delete entity, must detach all policies first."
            raise AwsError("DeleteConflict", words, status=409)
        self._change(call, name, lambda content: {**content, "is_deleted": True})
        return {}

    @operation("iam", "UpdateAssumeRolePolicy", Action.OPERATE)
    def update_assume_role_policy(self, call: Call, request: Request) -> Answer:
        """Who may take the role from now on."""
        trust = request["PolicyDocument"]
        _check_json(trust)
        self._change(
            call,
            request["RoleName"],
            lambda content: {**content, "request": {**content["request"], "AssumeRolePolicyDocument": trust}},
        )
        return {}

    @operation("iam", "AttachRolePolicy", Action.OPERATE, partly=_NO_EFFECT)
    def attach_role_policy(self, call: Call, request: Request) -> Answer:
        """Attach a managed policy; once is as good as twice."""
        arn = request["PolicyArn"]
        self._change(
            call,
            request["RoleName"],
            lambda content: {**content, "attached": [*(each for each in content["attached"] if each != arn), arn]},
        )
        return {}

    @operation("iam", "DetachRolePolicy", Action.OPERATE)
    def detach_role_policy(self, call: Call, request: Request) -> Answer:
        """Take a managed policy off."""
        name, arn = request["RoleName"], request["PolicyArn"]
        found = self._present(call, name)
        if found is None or arn not in found.content["attached"]:
            raise no_entity(f"Policy {arn} was not found.")
        self._change(
            call, name, lambda content: {**content, "attached": [each for each in content["attached"] if each != arn]}
        )
        return {}

    @operation("iam", "ListAttachedRolePolicies", Action.READ)
    def list_attached_role_policies(self, call: Call, request: Request) -> Answer:
        """All in one page."""
        found = self._present(call, request["RoleName"])
        attached = [] if found is None else found.content["attached"]
        shown = [{"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn} for arn in attached]
        return {"AttachedPolicies": shown, "IsTruncated": False}

    @operation("iam", "PutRolePolicy", Action.OPERATE, partly=_NO_EFFECT)
    def put_role_policy(self, call: Call, request: Request) -> Answer:
        """A policy of the role's own."""
        policy, text = request["PolicyName"], request["PolicyDocument"]
        _check_json(text)
        self._change(
            call, request["RoleName"], lambda content: {**content, "inline": {**content["inline"], policy: text}}
        )
        return {}

    @operation("iam", "GetRolePolicy", Action.READ)
    def get_role_policy(self, call: Call, request: Request) -> Answer:
        """A policy of the role's own."""
        name, policy = request["RoleName"], request["PolicyName"]
        text = self._inline(call, name, policy)
        return {"RoleName": name, "PolicyName": policy, "PolicyDocument": quote(text)}

    @operation("iam", "ListRolePolicies", Action.READ)
    def list_role_policies(self, call: Call, request: Request) -> Answer:
        """Names of the policies of the role's own."""
        found = self._present(call, request["RoleName"])
        return {"PolicyNames": [] if found is None else sorted(found.content["inline"]), "IsTruncated": False}

    @operation("iam", "DeleteRolePolicy", Action.OPERATE)
    def delete_role_policy(self, call: Call, request: Request) -> Answer:
        """End a policy of the role's own."""
        name, policy = request["RoleName"], request["PolicyName"]
        self._inline(call, name, policy)
        self._change(
            call,
            name,
            lambda content: {
                **content,
                "inline": {key: text for key, text in content["inline"].items() if key != policy},
            },
        )
        return {}

    def _inline(self, call: Call, name: str, policy: str) -> str:
        found = self._present(call, name)
        if found is None or policy not in found.content["inline"]:
            raise no_entity(f"The role policy with name {policy} cannot be found.")
        return str(found.content["inline"][policy])

    def _present(self, call: Call, name: str) -> Document | None:
        """What is kept of a role; None: it is one of those that need not be created.

        Raises:
            AwsError: it was deleted.
        """
        found = self._documents.find(KIND, call.project, name)
        if found is not None and found.content.get("is_deleted"):
            raise no_entity(f"The role with name {name} cannot be found.")
        return found

    def _change(self, call: Call, name: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Keep something else of a role, which may be one that was never created."""
        self._present(call, name)
        try:
            self._documents.update(KIND, call.project, name, change)
        except DocumentNotFoundError:
            kept = {"RoleName": name, "AssumeRolePolicyDocument": _TRUST}
            content = change({"request": kept, "attached": [], "inline": {}})
            self._documents.create(KIND, call.project, name, content)


def check_passable(documents: DocumentService, call: Call, arn: str | None) -> None:
    """Nothing if SageMaker may take the role.

    Raises:
        AwsError: it was deleted here, or created here for another service.
    """
    found = None if arn is None else documents.find(KIND, call.project, arn.rpartition("/")[2])
    if found is None:
        return
    if found.content.get("is_deleted") or _PRINCIPAL not in found.content["request"]["AssumeRolePolicyDocument"]:
        raise validation_error(
            f"Could not assume role {arn}. Please ensure that the role exists and allows principal '{_PRINCIPAL}' to "
            "assume the role."
        )


def is_deleted(documents: DocumentService, call: Call, name: str) -> bool:
    """Whether a role of this name was deleted here."""
    found = documents.find(KIND, call.project, name)
    return found is not None and bool(found.content.get("is_deleted"))


def _role(call: Call, name: str, kept: Document | None) -> Answer:
    request = {} if kept is None else kept.content["request"]
    path = request.get("Path", "/")
    return {
        "Path": path,
        "RoleName": name,
        "RoleId": f"AROA{call.account_id}",
        "Arn": f"arn:aws:iam::{call.account_id}:role{path}{name}",
        "CreateDate": _MADE if kept is None else kept.created_at,
        "AssumeRolePolicyDocument": quote(request.get("AssumeRolePolicyDocument", _TRUST)),
        "Description": request.get("Description"),
        "MaxSessionDuration": request.get("MaxSessionDuration", _SESSION_SECONDS),
        "Tags": [{"Key": key, "Value": value} for key, value in sorted(kept.tags.items())] if kept else None,
    }


def _check_json(policy: str) -> None:
    try:
        json.loads(policy)
    except ValueError:
        raise AwsError("MalformedPolicyDocument", "The policy document is no JSON.") from None


def no_entity(words: str) -> AwsError:
    """What is asked for is not there."""
    return AwsError("NoSuchEntity", words, status=404)
