"""Who calls, as boto3 sees it, and what is refused."""

import pytest
from botocore.exceptions import ClientError


def test_an_access_key_is_a_user_of_the_installations_account(aws, platform):
    identity = aws("sts").get_caller_identity()
    assert len(identity["Account"]) == 12
    assert identity["UserId"] == platform.key[0]
    assert identity["Arn"] == f"arn:aws:iam::{identity['Account']}:user/default/test"


def test_who_asks_for_the_user_is_told_of_the_access_key(aws, platform):
    iam = aws("iam")
    user = iam.get_user()["User"]
    assert (user["UserId"], user["Arn"]) == (platform.key[0], aws("sts").get_caller_identity()["Arn"])
    assert iam.get_user(UserName="test")["User"] == user
    assert user in iam.list_users()["Users"]
    assert iam.list_account_aliases()["AccountAliases"] == []
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_user(UserName="nobody")


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


def test_keys_for_a_while_do_what_their_maker_may(aws):
    sts = aws("sts")
    role = aws("iam").get_role(RoleName="SageMakerRole")["Role"]["Arn"]
    assumed = sts.assume_role(RoleArn=role, RoleSessionName="nightly")
    assert assumed["AssumedRoleUser"]["Arn"].endswith(":assumed-role/SageMakerRole/nightly")
    for made, user in (
        (assumed, assumed["AssumedRoleUser"]["AssumedRoleId"]),
        (sts.get_session_token(DurationSeconds=900), ""),
    ):
        lent = made["Credentials"]
        key = (lent["AccessKeyId"], lent["SecretAccessKey"], lent["SessionToken"])
        assert aws("sts", key=key).get_caller_identity()["UserId"] == (user or lent["AccessKeyId"])
        s3 = aws("s3", key=key)
        s3.create_bucket(Bucket="lent-data")
        s3.put_object(Bucket="lent-data", Key="k", Body=b"x")
        s3.delete_object(Bucket="lent-data", Key="k")
        s3.delete_bucket(Bucket="lent-data")
        with pytest.raises(ClientError) as refused:
            aws("sts", key=(*key[:2], key[2][:-3])).get_caller_identity()
        assert refused.value.response["Error"]["Code"] == "InvalidClientTokenId"


def test_an_access_key_with_the_name_of_a_session_is_a_user_all_the_same(aws, platform):
    key = platform.make_key(name="assumed-role/Admin/nightly")
    assert ":user/default/assumed-role/Admin/nightly" in aws("sts", key=key).get_caller_identity()["Arn"]
    lent = aws("sts", key=key).get_session_token()["Credentials"]
    session = (lent["AccessKeyId"], lent["SecretAccessKey"], lent["SessionToken"])
    assert ":user/default/Admin/nightly" in aws("sts", key=session).get_caller_identity()["Arn"]


def test_a_role_may_do_what_the_sdk_asks_about(aws):
    iam = aws("iam")
    arn = iam.list_roles()["Roles"][0]["Arn"]
    answer = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=["s3:GetObject", "iam:PassRole"])
    assert [each["EvalDecision"] for each in answer["EvaluationResults"]] == ["allowed", "allowed"]


def test_what_is_missing_has_the_codes_that_clients_wait_for(aws):
    with pytest.raises(ClientError) as refused:
        aws("sagemaker").list_tags(ResourceArn="arn:aws:sagemaker:us-east-1:123456789012:model/none")
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    with pytest.raises(ClientError) as refused:
        aws("logs").get_log_events(logGroupName="/aws/sagemaker/TrainingJobs", logStreamName="none/algo-1-1")
    assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"
    groups = aws("logs").describe_log_groups(logGroupNamePrefix="/aws/sagemaker")["logGroups"]
    assert "/aws/sagemaker/TrainingJobs" in [each["logGroupName"] for each in groups]


TRUST = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "%s.amazonaws.com"}}]}'


def test_a_role_that_is_created_is_shown_as_it_was_and_goes_with_its_policies(aws):
    iam, full = aws("iam"), "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
    made = iam.create_role(RoleName="Trainer", AssumeRolePolicyDocument=TRUST % "sagemaker", Description="trains")
    shown = iam.get_role(RoleName="Trainer")["Role"]
    assert (shown["Arn"], shown["Description"]) == (made["Role"]["Arn"], "trains")
    assert shown["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"] == "sagemaker.amazonaws.com"
    with pytest.raises(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName="Trainer", AssumeRolePolicyDocument=TRUST % "sagemaker")
    iam.attach_role_policy(RoleName="Trainer", PolicyArn=full)
    iam.put_role_policy(RoleName="Trainer", PolicyName="more", PolicyDocument=TRUST % "s3")
    assert [each["PolicyArn"] for each in iam.list_attached_role_policies(RoleName="Trainer")["AttachedPolicies"]] == [
        full
    ]
    assert iam.list_role_policies(RoleName="Trainer")["PolicyNames"] == ["more"]
    assert iam.get_role_policy(RoleName="Trainer", PolicyName="more")["PolicyDocument"]["Version"] == "2012-10-17"
    with pytest.raises(iam.exceptions.DeleteConflictException):
        iam.delete_role(RoleName="Trainer")
    iam.detach_role_policy(RoleName="Trainer", PolicyArn=full)
    iam.delete_role_policy(RoleName="Trainer", PolicyName="more")
    iam.delete_role(RoleName="Trainer")
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_role(RoleName="Trainer")
    with pytest.raises(ClientError, match="is not authorized to perform: sts:AssumeRole on resource: ") as refused:
        aws("sts").assume_role(RoleArn=made["Role"]["Arn"], RoleSessionName="late")
    assert refused.value.response["Error"]["Code"] == "AccessDenied"


def test_a_role_of_another_service_and_one_that_is_gone_cannot_be_passed_to_sagemaker(aws):
    iam, sagemaker = aws("iam"), aws("sagemaker")
    account = aws("sts").get_caller_identity()["Account"]
    image = {"Image": f"{account}.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"}
    iam.create_role(RoleName="Lambda", AssumeRolePolicyDocument=TRUST % "lambda")
    iam.create_role(RoleName="Gone", AssumeRolePolicyDocument=TRUST % "sagemaker")
    iam.delete_role(RoleName="Gone")
    for name in ("Lambda", "Gone"):
        arn = f"arn:aws:iam::{account}:role/{name}"
        with pytest.raises(ClientError, match=f"Could not assume role {arn}") as refused:
            sagemaker.create_model(ModelName="m", PrimaryContainer=image, ExecutionRoleArn=arn)
        assert refused.value.response["Error"]["Code"] == "ValidationException"
        with pytest.raises(ClientError, match=f"Could not assume role {arn}"):
            sagemaker.create_training_job(
                TrainingJobName="t",
                AlgorithmSpecification={"TrainingImage": image["Image"], "TrainingInputMode": "File"},
                RoleArn=arn,
                OutputDataConfig={"S3OutputPath": "s3://none/results"},
                ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
                StoppingCondition={"MaxRuntimeInSeconds": 60},
            )
