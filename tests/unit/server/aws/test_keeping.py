"""One of several control processes keeps the S3 store."""

import pytest

from modelyard.control.access_keys.repository import AccessKeyRepository
from modelyard.control.access_keys.secrets import Sealer
from modelyard.control.access_keys.service import AccessKeyService
from modelyard.control.buckets.errors import S3UnavailableError
from modelyard.control.buckets.service import BucketService
from modelyard.control.documents.repository import DocumentRepository
from modelyard.control.documents.service import DocumentService
from modelyard.kit.clock import SystemClock
from modelyard.server.aws.keeping import StoreKeeper
from modelyard.server.aws.object_server import ObjectServer
from modelyard.settings import Settings
from modelyard.types.access import Role


@pytest.fixture
def documents(database) -> DocumentService:
    return DocumentService(database, DocumentRepository(), SystemClock())


def test_the_first_process_keeps_the_store_also_after_a_restart(documents):
    assert StoreKeeper(documents, "all/first")() == ""
    second = StoreKeeper(documents, "all/second")
    assert second() == second() == "all/first"
    assert StoreKeeper(documents, "all/first")() == ""


def test_a_process_that_is_alone_asks_nobody(documents):
    assert StoreKeeper(documents, "")() == ""
    assert StoreKeeper(documents, "all/first")() == ""


def test_another_process_starts_none_and_says_what_to_set(documents, database, tmp_path):
    StoreKeeper(documents, "all/first")()
    keys = AccessKeyService(database, AccessKeyRepository(), Sealer(bytes(32)), SystemClock())
    keys.create("test", "default", Role.OPERATOR)
    buckets = BucketService(documents, SystemClock())
    server = ObjectServer(Settings(home=tmp_path), keys, buckets, StoreKeeper(documents, "all/second"))
    server.look()
    assert not (tmp_path / "buckets").exists()
    with pytest.raises(S3UnavailableError, match="another control process, 'all/first'") as refused:
        server.ready()
    assert "MODELYARD_S3_URL" in refused.value.hint
