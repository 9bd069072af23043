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
    fault = f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
    number = f"<RequestId>{escape(request_id)}</RequestId>"
    if content_type.startswith("application/x-www-form-urlencoded"):
        body = f"<ErrorResponse><Error><Type>Sender</Type>{fault}</Error>{number}</ErrorResponse>"
    else:
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{fault}{number}</Error>'
    return WireAnswer(error.status, {"Content-Type": "application/xml", "x-amz-request-id": request_id}, body.encode())
