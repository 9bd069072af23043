"""In whose name an asynchronous request is carried out."""

from types import SimpleNamespace

import pytest

from modelyard.control.access_keys.errors import SessionTokenExpiredError
from modelyard.control.access_keys.repository import AccessKeyRepository
from modelyard.control.access_keys.secrets import Sealer
from modelyard.control.access_keys.service import AccessKeyService
from modelyard.control.documents.repository import DocumentRepository
from modelyard.control.documents.service import DocumentService
from modelyard.control.hosting.asynchronous import AsyncRequest
from modelyard.facades.aws.sagemaker.hosting.asynchronous import AsyncOperations
from modelyard.facades.aws.sagemaker.hosting.endpoints import KIND
from modelyard.facades.aws.wire.operations import Call
from modelyard.kit.clock import FakeClock
from modelyard.types.access import Principal, Role

CONFIG = {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://out/here"}}}


class Accepted:
    """Requests that were written down, and the one endpoint that they are for."""

    def __init__(self) -> None:
        self.requests: list[AsyncRequest] = []

    def submit(self, _id: str, request: AsyncRequest) -> None:
        self.requests.append(request)

    def view(self, _project: str, _name: str) -> SimpleNamespace:
        return SimpleNamespace(hosted=SimpleNamespace(label="config"))


def test_a_request_that_waits_longer_than_its_temporary_key_is_asked_with_one_that_outlives_its_answer(
    database, tmp_path
):
    clock = FakeClock()
    keys = AccessKeyService(database, AccessKeyRepository(), Sealer.at(tmp_path / "signing.key"), clock)
    documents = DocumentService(database, DocumentRepository(), clock)
    documents.create(KIND, "shop", "Churn", {"configs": {"config": CONFIG}})
    lent = keys.lend("nightly", "shop", Role.OPERATOR, 900)
    call = Call(
        service="sagemaker-runtime",
        operation="InvokeEndpointAsync",
        principal=Principal(id=lent.id, name="nightly", role=lent.role, project="shop", expires_at=lent.expires_at),
        project="shop",
        access_key=lent.id,
        session_token=lent.session_token,
        account_id="111122223333",
        region="us-east-1",
        request_id="request",
        base_url="http://127.0.0.1",
    )
    accepted = Accepted()
    operations = AsyncOperations(documents, accepted, accepted, keys, clock)  # type: ignore[arg-type]
    operations.invoke_endpoint_async(
        call, {"EndpointName": "Churn", "InputLocation": "s3://in/rows.csv", "RequestTTLSeconds": 7200}
    )
    (request,) = accepted.requests
    clock.sleep(7200 + 3000)  # it may have begun at the end of its time
    with pytest.raises(SessionTokenExpiredError):
        keys.find(lent.id, lent.session_token)
    asker = keys.find(request.key_id, request.headers["x-amz-security-token"])
    assert (asker.name, asker.project, asker.role) == ("nightly", "shop", Role.VIEWER)
