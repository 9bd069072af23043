"""Errors of requests whose operation is not known: JSON, or XML for those who speak it. Needs no AWS library."""

import json
from xml.sax.saxutils import escape

from modelyard.facades.aws.wire.answers import WireAnswer
from modelyard.facades.aws.wire.errors import AwsError
from modelyard.facades.aws.wire.requests import WireRequest


def plain_error(error: AwsError, request: WireRequest, request_id: str) -> WireAnswer:
    """In the form that the client can read: JSON for a target or a JSON body, the query protocol's or S3's XML else."""
    content_type = request.headers.get("content-type", "")
    if "x-amz-target" in request.headers or "json" in content_type:
        body = json.dumps({"__type": error.code, "message": error.message})
        headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-ErrorType": error.code}
        return WireAnswer(error.status, {**headers, "x-amzn-RequestId": request_id}, body.encode())
    if content_type.startswith("application/x-www-form-urlencoded"):
        body = f"<ErrorResponse><Error><Type>Sender</Type>{_fault(error)}</Error>{_number(request_id)}</ErrorResponse>"
        return _xml(error, body, request_id)
    return s3_answer(error, request_id)


def s3_answer(error: AwsError, request_id: str) -> WireAnswer:
    """In S3's form, whatever the client has sent."""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{_fault(error)}{_number(request_id)}</Error>'
    return _xml(error, body, request_id)


def _xml(error: AwsError, body: str, request_id: str) -> WireAnswer:
    headers = {"Content-Type": "application/xml", "x-amz-request-id": request_id}
    return WireAnswer(error.status, headers, body.encode())


def _fault(error: AwsError) -> str:
    return f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"


def _number(request_id: str) -> str:
    return f"<RequestId>{escape(request_id)}</RequestId>"
