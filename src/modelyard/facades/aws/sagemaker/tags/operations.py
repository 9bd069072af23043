"""AddTags, ListTags and DeleteTags: by the ARN of a thing whose document carries its tags."""

from modelyard.control.documents.service import DocumentService
from modelyard.facades.aws.sagemaker.hosting.listing import checked_tags
from modelyard.facades.aws.wire.errors import validation_error
from modelyard.facades.aws.wire.operations import Answer, Call, Request, operation
from modelyard.types.access import Action
from modelyard.types.foreign.documents import Document, DocumentFilter

KINDS = {
    "training-job": "training-job",
    "model": "sagemaker-model",
    "endpoint-config": "sagemaker-endpoint-config",
    "endpoint": "sagemaker-endpoint",
}
"""What stands before the name in an ARN -> the kind of document that carries the tags."""

_MOST_TAGS = 50


class TagOperations:
    """Tags, wherever they lie."""

    def __init__(self, documents: DocumentService) -> None:
        self._documents = documents

    @operation("sagemaker", "AddTags", Action.WRITE)
    def add_tags(self, call: Call, request: Request) -> Answer:
        """Add tags, or give them new values."""
        document = self._find(call, request["ResourceArn"])
        tags = checked_tags(request["Tags"])
        if len({**document.tags, **tags}) > _MOST_TAGS:
            raise validation_error(f"{request['ResourceArn']} would have more than {_MOST_TAGS} tags.")
        changed = self._documents.set_tags(document.kind, call.project, document.name, tags)
        return {"Tags": _tags(changed)}

    @operation("sagemaker", "ListTags", Action.READ)
    def list_tags(self, call: Call, request: Request) -> Answer:
        """All tags; there are few enough for one page."""
        return {"Tags": _tags(self._find(call, request["ResourceArn"]))}

    @operation("sagemaker", "DeleteTags", Action.WRITE)
    def delete_tags(self, call: Call, request: Request) -> Answer:
        """Remove tags; those that are not there are no mistake."""
        document = self._find(call, request["ResourceArn"])
        self._documents.remove_tags(document.kind, call.project, document.name, request["TagKeys"])
        return {}

    def _find(self, call: Call, arn: str) -> Document:
        """The document of an ARN; names in ARNs may be in lower case where the thing's is not.

        Raises:
            AwsError: there is no such thing here.
        """
        prefix = call.arn("")
        kind, _, name = arn.removeprefix(prefix).partition("/")
        if arn.startswith(prefix) and kind in KINDS:
            for each in self._documents.every(KINDS[kind], call.project, DocumentFilter(name_contains=name)):
                if each.name.lower() == name.lower():
                    return each
        raise validation_error(f"There is nothing with the ARN {arn[:300]} in project '{call.project}' that has tags.")


def _tags(document: Document) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(document.tags.items())]
