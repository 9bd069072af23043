"""S3 as boto3 knows it, at the platform's one port."""

import hashlib
import io
import socket
from urllib.parse import urlsplit

import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from modelyard.testing.aws.signed_chunks import put_in_chunks
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


def test_buckets_are_private_and_stay_so(s3, bucket):
    flags = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    closed = dict.fromkeys(flags, True)
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=closed)
    assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"] == closed
    with pytest.raises(ClientError, match="never public"):
        s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=closed | {"BlockPublicAcls": False})


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
    listed = httpx.get(client.generate_presigned_url("list_objects_v2", {"Bucket": bucket, "Prefix": "signed"}))
    assert f"<Key>signed+{version}</Key>".encode() in listed.content
    assert "signed" in str(client.list_objects_v2(Bucket=bucket, Prefix="signed")["Contents"])
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


def test_what_the_store_does_not_know_of_buckets_changes_nothing(s3):
    s3.create_bucket(Bucket="untouched")
    website = {"IndexDocument": {"Suffix": "index.html"}}
    for call in (
        lambda: s3.put_bucket_website(Bucket="untouched", WebsiteConfiguration=website),
        lambda: s3.delete_bucket_website(Bucket="untouched"),
        lambda: s3.delete_bucket_replication(Bucket="untouched"),
    ):
        with pytest.raises(ClientError) as refused:
            call()
        assert code_of(refused) == "NotImplemented"
    s3.head_bucket(Bucket="untouched")


def test_a_bucket_that_is_to_be_encrypted_goes_on_taking_objects(s3):
    s3.create_bucket(Bucket="sealed")

    def encrypt(algorithm: str) -> None:
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm}}
        s3.put_bucket_encryption(Bucket="sealed", ServerSideEncryptionConfiguration={"Rules": [rule]})

    encrypt("AES256")
    with pytest.raises(ClientError, match="has no key service"):
        encrypt("aws:kms")
    assert s3.put_object(Bucket="sealed", Key="a", Body=b"secret")["ServerSideEncryption"] == "AES256"
    assert s3.get_object(Bucket="sealed", Key="a")["Body"].read() == b"secret"


def test_buckets_are_made_once_and_listed_by_prefix_in_pages(aws, s3):
    for name in ("paged-a", "paged-b", "paged-c"):
        s3.create_bucket(Bucket=name)
    s3.put_object(Bucket="paged-a", Key="k", Body=b"kept")
    assert s3.create_bucket(Bucket="paged-a")["Location"] == "/paged-a", "a notebook's cell that is run again"
    assert s3.get_object(Bucket="paged-a", Key="k")["Body"].read() == b"kept"
    pages = list(s3.get_paginator("list_buckets").paginate(Prefix="paged-", PaginationConfig={"PageSize": 2}))
    assert [[each["Name"] for each in page["Buckets"]] for page in pages] == [["paged-a", "paged-b"], ["paged-c"]]
    here = {"LocationConstraint": "eu-west-1"}
    far = aws("s3", region_name="eu-west-1")
    far.create_bucket(Bucket="paged-d", CreateBucketConfiguration=here)
    with pytest.raises(far.exceptions.BucketAlreadyOwnedByYou):
        far.create_bucket(Bucket="paged-d", CreateBucketConfiguration=here)
    assert s3.get_bucket_location(Bucket="paged-d")["LocationConstraint"] == "eu-west-1"
    with pytest.raises(ClientError) as refused:
        s3.get_object(Bucket="nobody-has-this", Key="a")
    assert refused.value.response["Error"]["Message"] == "The specified bucket does not exist"


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_a_browser_posts_what_a_policy_allows(aws, s3, bucket, version):
    client = aws("s3", config=Config(signature_version=version))
    wishes = {"Content-Type": "text/csv", "x-amz-meta-team": "wine", "success_action_status": "201"}
    conditions = [*({name: value} for name, value in wishes.items()), ["content-length-range", 1, 100]]
    form = client.generate_presigned_post(bucket, f"posted {version}/${{filename}}", wishes, conditions)

    def post(content: bytes = b"1,2", **changes: str) -> httpx.Response:
        return httpx.post(form["url"], data={**form["fields"], **changes}, files={"file": ("träin.csv", content)})

    done = post()
    assert (done.status_code, b"<PostResponse>" in done.content) == (201, True)
    got = s3.get_object(Bucket=bucket, Key=f"posted {version}/träin.csv")
    assert (got["Body"].read(), got["ContentType"], got["Metadata"]) == (b"1,2", "text/csv", {"team": "wine"})
    refused = {
        b"EntityTooLarge": post(b"x" * 101),
        b"EntityTooSmall": post(b""),
        b"Policy Condition failed": post(key="elsewhere"),
        b"Extra input fields": post(colour="red"),
        b"SignatureDoesNotMatch": post(**{"signature" if version == "s3" else "x-amz-signature": "x"}),
    }
    for words, answer in refused.items():
        assert answer.status_code in (400, 403)
        assert words in answer.content


@pytest.mark.parametrize("has_trailer", [False, True], ids=["plain", "with a trailer"])
def test_bodies_signed_chunk_by_chunk_are_proven_also_for_keys_of_a_while(aws, platform, s3, bucket, has_trailer):
    lent = aws("sts").get_session_token()["Credentials"]
    temporary = (lent["AccessKeyId"], lent["SecretAccessKey"], lent["SessionToken"])
    content = bytes(range(256)) * 600
    for key in (platform.key, temporary):
        name = f"{bucket}/chunks of {key[0]}"
        assert put_in_chunks(platform.url, key, name, content, has_trailer=has_trailer).status_code == 200
        got = s3.get_object(Bucket=bucket, Key=name.partition("/")[2], ChecksumMode="ENABLED")
        assert (got["Body"].read(), got.get("ContentEncoding")) == (content, None)
        assert ("ChecksumCRC32" in got) is has_trailer
        forged = put_in_chunks(platform.url, key, f"{bucket}/forged", content, has_trailer=has_trailer, change=b"!")
        assert (forged.status_code, b"SignatureDoesNotMatch" in forged.content) == (403, True)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket, Prefix="forged")


def test_a_client_that_leaves_before_its_body_stores_nothing(s3, bucket):
    s3.put_object(Bucket=bucket, Key="kept", Body=b"worth keeping")
    where = urlsplit(s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "kept"}))
    with socket.create_connection((where.hostname, where.port)) as client:
        head = f"PUT {where.path}?{where.query} HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: 9\r\n\r\n"
        client.sendall(head.encode())
        client.shutdown(socket.SHUT_WR)
        client.settimeout(60)
        while client.recv(4096):
            pass
    assert s3.get_object(Bucket=bucket, Key="kept")["Body"].read() == b"worth keeping"


def test_a_bucket_may_stand_in_the_hosts_name(s3, bucket, monkeypatch, aws):
    look_up = socket.getaddrinfo  # names below localhost are this machine; not every resolver knows it
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *rest, **more: look_up(str(host).rpartition(".")[2], *rest, **more)
    )
    s3.put_object(Bucket=bucket, Key="in the host", Body=b"x")
    for version in ("s3", "s3v4"):
        virtual = Config(signature_version=version, s3={"addressing_style": "virtual"})
        port = urlsplit(s3.meta.endpoint_url).port
        client = aws("s3", config=virtual, endpoint_url=f"http://localhost:{port}")
        assert client.get_object(Bucket=bucket, Key="in the host")["Body"].read() == b"x"
        assert client.list_objects_v2(Bucket=bucket, Prefix="in the")["KeyCount"] == 1
        address = client.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "in the host"})
        assert address.startswith(f"http://{bucket}.localhost:")
        assert httpx.get(address).content == b"x"


def test_what_the_store_does_not_do_is_named(s3, bucket):
    with pytest.raises(ClientError, match="does not support s3:PutBucketWebsite") as refused:
        s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    assert code_of(refused) == "NotImplemented"


def test_keys_with_empty_parts_are_keys_of_their_own(s3):
    bucket = "odd-keys"
    s3.create_bucket(Bucket=bucket)
    keys = sorted(["a/-b", "a//b", "a///b", "a/b", "/a", "a//c d/e", "a//x/y"])
    for key in keys:
        s3.put_object(Bucket=bucket, Key=f"odd/{key}" if not key.startswith("/") else key, Body=key.encode())
    kept = sorted(key if key.startswith("/") else f"odd/{key}" for key in keys)
    assert [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]] == kept
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
    assert [each["Key"] for page in pages for each in page["Contents"]] == kept
    pages = s3.get_paginator("list_objects").paginate(Bucket=bucket, Prefix="odd/a/", PaginationConfig={"PageSize": 2})
    assert [each["Key"] for page in pages for each in page["Contents"]] == kept[1:]
    answer = s3.list_objects_v2(Bucket=bucket, Prefix="odd/a//", Delimiter="/")
    assert [each["Prefix"] for each in answer["CommonPrefixes"]] == ["odd/a///", "odd/a//c d/", "odd/a//x/"]
    assert [each["Key"] for each in answer["Contents"]] == ["odd/a//b"]
    assert s3.get_object(Bucket=bucket, Key="odd/a//c d/e")["Body"].read() == b"a//c d/e"
    s3.copy_object(Bucket=bucket, Key="copy//b", CopySource={"Bucket": bucket, "Key": "odd/a//b"})
    assert s3.get_object(Bucket=bucket, Key="copy//b")["Body"].read() == b"a//b"
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts//b")
    assert upload["Key"] == "parts//b"
    s3.abort_multipart_upload(Bucket=bucket, Key="parts//b", UploadId=upload["UploadId"])
    with pytest.raises(ClientError) as missing:
        s3.get_object(Bucket=bucket, Key="odd//a/b")
    assert missing.value.response["Error"]["Code"] == "NoSuchKey"
    removed = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "odd/a//b"}, {"Key": "/a"}]})["Deleted"]
    assert {each["Key"] for each in removed} == {"odd/a//b", "/a"}
    left = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket, Prefix="odd/a/b")["Contents"]]
    assert left == ["odd/a/b"], "another key is another object"
    listing = b"<Key>.~empty~</Key>"
    s3.put_object(Bucket=bucket, Key="a.xml", Body=listing, ContentType="application/xml")
    assert s3.head_object(Bucket=bucket, Key="a.xml")["ContentLength"] == len(listing)
    assert s3.get_object(Bucket=bucket, Key="a.xml")["Body"].read() == listing
    s3.put_object(Bucket=bucket, Key="x.~empty~y//z", Body=b"")
    assert [each["Key"] for each in s3.list_objects_v2(Bucket=bucket, Prefix="x")["Contents"]] == ["x.~empty~y//z"]
    with pytest.raises(ClientError, match="no part of a key may be"):
        s3.put_object(Bucket=bucket, Key="a/.~empty~/b", Body=b"")
    s3.delete_object(Bucket=bucket, Key="odd/a///b")
    assert "odd/a///b" not in [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]]
