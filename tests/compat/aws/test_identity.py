"""Who calls, as boto3 sees it, and what is refused."""

import pytest
from botocore.exceptions import ClientError


def test_an_access_key_is_a_user_of_the_installations_account(aws, platform):
    identity = aws("sts").get_caller_identity()
    assert len(identity["Account"]) == 12
    assert identity["UserId"] == platform.key[0]
    assert identity["Arn"] == f"arn:aws:iam::{identity['Account']}:user/default/test"


@pytest.mark.parametrize(
    ("key", "code"),
    [(("AKIAAAAAAAAAAAAAAAAA", "secret"), "InvalidClientTokenId"), (None, "SignatureDoesNotMatch")],
    ids=["unknown key", "wrong secret"],
)
def test_strangers_are_refused(aws, platform, key, code):
    with pytest.raises(ClientError) as refused:
        aws("sts", key=key or (platform.key[0], "a wrong secret")).get_caller_identity()
    assert refused.value.response["Error"]["Code"] == code
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_an_operation_that_is_not_there_says_its_name(aws):
    with pytest.raises(ClientError, match="does not support sagemaker:DeleteCluster") as refused:
        aws("sagemaker").delete_cluster(ClusterName="abc")
    assert refused.value.response["Error"]["Code"] == "NotImplemented"
