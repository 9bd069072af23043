"""A platform whose S3 is another server, named by its settings: the platform starts none of its own."""

from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
from botocore.exceptions import ClientError

from modelyard.testing.aws.platform import AwsPlatform
from modelyard.testing.aws.signed_chunks import put_in_chunks

pytestmark = pytest.mark.slow
BUCKET = "elsewhere"


def test_an_external_server_takes_everything_that_the_platforms_own_takes(
    tmp_path: Path, s3_server: Mapping[str, str]
) -> None:
    settings = {
        "MODELYARD_S3_URL": s3_server["AWS_ENDPOINT_URL"],
        "MODELYARD_S3_ACCESS_KEY": s3_server["AWS_ACCESS_KEY_ID"],
        "MODELYARD_S3_SECRET_KEY": s3_server["AWS_SECRET_ACCESS_KEY"],
        "MODELYARD_S3_REGION": s3_server["AWS_REGION"],
    }
    with AwsPlatform(tmp_path / "home", settings) as platform:
        s3 = platform.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key="plain", Body=b"x")
        address = s3.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": "plain"})
        assert httpx.get(address).content == b"x"
        content = bytes(100_000)
        for key, has_trailer in (("chunks", False), ("trailer", True)):
            stored = put_in_chunks(platform.url, platform.key, f"{BUCKET}/{key}", content, has_trailer=has_trailer)
            assert stored.status_code == 200
            assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == content
        form = s3.generate_presigned_post(BUCKET, "posted")
        assert httpx.post(form["url"], data=form["fields"], files={"file": b"posted"}).status_code == 204
        assert s3.get_object(Bucket=BUCKET, Key="posted")["Body"].read() == b"posted"
        with pytest.raises(ClientError) as refused:
            s3.get_object(Bucket="test", Key="any")  # a bucket of the server's that no project made
        assert refused.value.response["Error"]["Code"] == "NoSuchBucket"
        assert not (tmp_path / "home" / "run" / "s3.json").exists()
