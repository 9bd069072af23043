"""S3 as boto3 knows it, at the platform's one port."""

import hashlib
import io

import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from modelyard.types.access import Role


def code_of(refused) -> str:
    return refused.value.response["Error"]["Code"]


@pytest.fixture(scope="module")
def s3(aws):
    return aws("s3")


@pytest.fixture(scope="module")
def bucket(s3) -> str:
    s3.create_bucket(Bucket="wine-data")
    s3.get_waiter("bucket_exists").wait(Bucket="wine-data")
    return "wine-data"


def test_an_object_comes_back_as_it_went_in(s3, bucket):
    body = b"fixed acidity,quality\n" * 1000
    put = s3.put_object(Bucket=bucket, Key="träin/wine (1).csv", Body=body, Metadata={"origin": "uci"})
    got = s3.get_object(Bucket=bucket, Key="träin/wine (1).csv")
    assert got["Body"].read() == body
    assert put["ETag"] == got["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert got["Metadata"] == {"origin": "uci"}
    assert s3.get_object(Bucket=bucket, Key="träin/wine (1).csv", Range="bytes=6-12")["Body"].read() == b"acidity"
    assert s3.head_object(Bucket=bucket, Key="träin/wine (1).csv")["ContentLength"] == len(body)


def test_encryption_by_a_key_service_is_neither_done_nor_claimed(s3, bucket):
    stored = s3.put_object(Bucket=bucket, Key="secret", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId="k")
    assert "ServerSideEncryption" not in stored
    assert s3.get_object(Bucket=bucket, Key="secret")["Body"].read() == b"x"


def test_lists_come_in_pages_in_both_versions(s3, bucket):
    for number in range(5):
        s3.put_object(Bucket=bucket, Key=f"list/{number}", Body=b"x")
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix="list/", PaginationConfig={"PageSize": 2}
    )
    assert [item["Key"] for page in pages for item in page["Contents"]] == [f"list/{n}" for n in range(5)]
    first = s3.list_objects(Bucket=bucket, Prefix="list/", MaxKeys=3)
    assert (first["IsTruncated"], len(first["Contents"])) == (True, 3)
    folders = s3.list_objects_v2(Bucket=bucket, Delimiter="/")["CommonPrefixes"]
    assert {"Prefix": "list/"} in folders


def test_objects_are_copied_and_deleted_one_by_one_and_together(s3, bucket):
    s3.put_object(Bucket=bucket, Key="copy/a", Body=b"a")
    s3.copy_object(Bucket=bucket, Key="copy/b", CopySource={"Bucket": bucket, "Key": "copy/a"})
    assert s3.get_object(Bucket=bucket, Key="copy/b")["Body"].read() == b"a"
    s3.delete_object(Bucket=bucket, Key="copy/a")
    with pytest.raises(ClientError) as refused:
        s3.get_object(Bucket=bucket, Key="copy/a")
    assert code_of(refused) == "NoSuchKey"
    deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "copy/b"}, {"Key": "copy/none"}]})
    assert {each["Key"] for each in deleted["Deleted"]} == {"copy/b", "copy/none"}
    s3.get_waiter("object_not_exists").wait(Bucket=bucket, Key="copy/b")


def test_large_files_go_up_and_down_in_parts(s3, bucket, tmp_path):
    body = hashlib.sha256(b"parts").digest() * (1 << 18) + b"and a rest"
    s3.upload_fileobj(io.BytesIO(body), bucket, "parts")
    assert s3.head_object(Bucket=bucket, Key="parts")["ETag"].strip('"').endswith("-2")
    s3.download_file(bucket, "parts", str(tmp_path / "parts"))
    assert (tmp_path / "parts").read_bytes() == body


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_addresses_work_until_somebody_changes_them(aws, bucket, version):
    client = aws("s3", config=Config(signature_version=version))
    where = {"Bucket": bucket, "Key": f"signed {version}"}
    assert httpx.put(client.generate_presigned_url("put_object", where), content=b"by url").status_code == 200
    url = client.generate_presigned_url("get_object", where)
    assert httpx.get(url).content == b"by url"
    refused = (
        (url.replace("signed", "sighed"), b"SignatureDoesNotMatch"),
        (client.generate_presigned_url("get_object", where, ExpiresIn=-5), b"Error"),
    )
    for address, words in refused:
        answer = httpx.get(address)
        assert answer.status_code in (400, 403)
        assert words in answer.content


def test_tags_and_versions(s3, bucket):
    s3.put_object(Bucket=bucket, Key="tagged", Body=b"x")
    s3.put_object_tagging(Bucket=bucket, Key="tagged", Tagging={"TagSet": [{"Key": "team", "Value": "wine"}]})
    assert s3.get_object_tagging(Bucket=bucket, Key="tagged")["TagSet"] == [{"Key": "team", "Value": "wine"}]
    s3.create_bucket(Bucket="with-versions")
    s3.put_bucket_versioning(Bucket="with-versions", VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket="with-versions", Key="k", Body=b"one")["VersionId"]
    s3.put_object(Bucket="with-versions", Key="k", Body=b"two")
    assert s3.get_object(Bucket="with-versions", Key="k")["Body"].read() == b"two"
    assert s3.get_object(Bucket="with-versions", Key="k", VersionId=first)["Body"].read() == b"one"


def test_a_body_that_was_changed_on_its_way_is_refused(aws, bucket):
    client = aws("s3")
    client.meta.events.register("before-send.s3.PutObject", _tamper)
    with pytest.raises(ClientError) as refused:
        client.put_object(Bucket=bucket, Key="tampered", Body=b"honest")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403)


def _tamper(request, **_) -> None:
    request.body = b"forged"


def test_buckets_belong_to_projects(aws, platform, s3, bucket):
    platform.rest("POST", "/registry/v1/projects", json={"name": "other", "description": ""})
    other = aws("s3", key=platform.make_key("other"))
    assert other.list_buckets()["Buckets"] == []
    assert bucket in [each["Name"] for each in s3.list_buckets()["Buckets"]]
    for call in (
        lambda: other.list_objects_v2(Bucket=bucket),
        lambda: other.put_object(Bucket=bucket, Key="x", Body=b""),
    ):
        with pytest.raises(ClientError) as refused:
            call()
        assert code_of(refused) == "AccessDenied"
    with pytest.raises(ClientError) as refused:
        other.create_bucket(Bucket=bucket)
    assert code_of(refused) == "BucketAlreadyExists"
    other.create_bucket(Bucket="other-data")
    with pytest.raises(ClientError) as refused:
        other.copy_object(Bucket="other-data", Key="stolen", CopySource=f"{bucket}/list/1")
    assert code_of(refused) == "AccessDenied"
    other.delete_bucket(Bucket="other-data")
    assert other.list_buckets()["Buckets"] == []


def test_who_may_only_read_cannot_write(aws, platform, s3, bucket):
    s3.put_object(Bucket=bucket, Key="readable", Body=b"x")
    viewer = aws("s3", key=platform.make_key(role=Role.VIEWER, name="viewer"))
    assert viewer.get_object(Bucket=bucket, Key="readable")["Body"].read() == b"x"
    with pytest.raises(ClientError) as refused:
        viewer.put_object(Bucket=bucket, Key="readable", Body=b"y")
    assert code_of(refused) == "AccessDenied"


def test_strangers_and_missing_buckets_have_the_codes_of_s3(aws, platform, s3):
    with pytest.raises(ClientError) as refused:
        s3.list_objects_v2(Bucket="no-such-bucket")
    assert code_of(refused) == "NoSuchBucket"
    with pytest.raises(ClientError) as refused:
        aws("s3", key=("AKIAAAAAAAAAAAAAAAAA", "x")).list_buckets()
    assert code_of(refused) == "InvalidAccessKeyId"
    with pytest.raises(ClientError) as refused:
        aws("s3", key=(platform.key[0], "wrong")).list_buckets()
    assert code_of(refused) == "SignatureDoesNotMatch"
