"""Whether an answer is what the operation's output shape says: strict clients break on anything else.

The SageMaker SDK's resource classes are pydantic models of these shapes: a required member that is missing, or an empty
structure in place of none, ends the user's program.
"""

from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

_SCALARS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "character": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
}
_DECODED = "policyDocumentType"
"""Text that boto3 turns into JSON before anybody sees it."""


def faults_of(value: Any, shape: Shape, where: str = "") -> list[str]:
    """What is wrong with a parsed answer; empty: nothing."""
    if isinstance(shape, StructureShape):
        return _of_structure(value, shape, where)
    if isinstance(shape, ListShape):
        return [fault for i, each in enumerate(value) for fault in faults_of(each, shape.member, f"{where}[{i}]")]
    if isinstance(shape, MapShape):
        return [fault for key, each in value.items() for fault in faults_of(each, shape.value, f"{where}.{key}")]
    if shape.name == _DECODED:
        return []
    kinds = _SCALARS.get(shape.type_name)
    if kinds is not None and not isinstance(value, kinds):
        return [f"{where} is {type(value).__name__}, not {shape.type_name}"]
    allowed = getattr(shape, "enum", [])
    return [f"{where} is {value!r}, not one of {allowed}"] if allowed and value not in allowed else []


def _of_structure(value: Any, shape: StructureShape, where: str) -> list[str]:
    found = [f"{where}.{name} is missing" for name in shape.required_members if name not in value]
    if not value and shape.members and where:
        found.append(f"{where} is an empty structure; leave it out")
    for name, member in shape.members.items():
        if (
            name in value
            and member.serialization.get("location") is None
            and not getattr(member, "is_document_type", 0)
        ):
            found += faults_of(value[name], member, f"{where}.{name}")
    return found


def check_answers(client: Any) -> None:
    """Let every good answer of a boto3 client be looked at; one that has faults is an AssertionError."""

    def look(http_response: Any, parsed: dict[str, Any], model: OperationModel, **_: Any) -> None:
        shape = model.output_shape
        if http_response.status_code >= 300 or shape is None or model.has_streaming_output:  # noqa: PLR2004
            return
        members = {name: value for name, value in parsed.items() if name != "ResponseMetadata"}
        faults = faults_of(members, shape)
        if faults:
            raise AssertionError(f"{model.name}: {'; '.join(faults)}")

    client.meta.events.register("after-call", look)
