"""Search and ECR with boto3, and requests that AWS's model forbids."""

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::123456789012:role/service-role/SageMakerRole"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"


@pytest.fixture(scope="module")
def sagemaker(aws):
    return aws("sagemaker")


@pytest.fixture(scope="module")
def models(aws, sagemaker) -> list[str]:
    aws("s3").create_bucket(Bucket="search-models")
    aws("s3").put_object(Bucket="search-models", Key="none.tar.gz", Body=b"")
    names = [f"Wine-{number}" for number in range(5)]
    for number, name in enumerate(names):
        sagemaker.create_model(
            ModelName=name,
            PrimaryContainer={"Image": IMAGE, "ModelDataUrl": "s3://search-models/none.tar.gz"},
            ExecutionRoleArn=ROLE,
            Tags=[{"Key": "parity", "Value": "odd" if number % 2 else "even"}],
        )
    return names


def names_of(page) -> list[str]:
    return [each["Model"]["Model"]["ModelName"] for each in page["Results"]]


def test_models_are_found_by_tag_and_name_in_pages(sagemaker, models):
    even = {"Filters": [{"Name": "Tags.parity", "Operator": "Equals", "Value": "even"}]}
    pages = sagemaker.get_paginator("search").paginate(
        Resource="Model",
        SearchExpression=even,
        SortBy="ModelName",
        SortOrder="Ascending",
        PaginationConfig={"PageSize": 2},
    )
    assert [names_of(page) for page in pages] == [["Wine-0", "Wine-2"], ["Wine-4"]]
    wines = {"Filters": [{"Name": "ModelName", "Operator": "Contains", "Value": "Wine-"}]}
    newest = sagemaker.search(Resource="Model", SearchExpression=wines)
    assert names_of(newest) == models[::-1]
    assert newest["TotalHits"] == {"Value": 5, "Relation": "EqualTo"}
    none = {"Filters": [{"Name": "TrainingJobName", "Operator": "Contains", "Value": "Wine-"}]}
    assert sagemaker.search(Resource="TrainingJob", SearchExpression=none)["Results"] == []
    with pytest.raises(ClientError, match="does not search for Experiment yet"):
        sagemaker.search(Resource="Experiment")
    with pytest.raises(ClientError, match="Unknown property name: Colour"):
        sagemaker.search(Resource="Model", SearchExpression={"Filters": [{"Name": "Colour", "Operator": "Exists"}]})


def test_a_training_job_is_found_by_what_it_was_given(platform, aws, sagemaker):
    aws("s3").create_bucket(Bucket="search-data")
    sagemaker.create_training_job(
        TrainingJobName="searched",
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        RoleArn=ROLE,
        HyperParameters={"num_round": "77"},
        OutputDataConfig={"S3OutputPath": "s3://search-data/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    chosen = {"Name": "HyperParameters.num_round", "Operator": "Equals", "Value": "77"}
    (found,) = sagemaker.search(Resource="TrainingJob", SearchExpression={"Filters": [chosen]})["Results"]
    assert found["TrainingJob"]["TrainingJobName"] == "searched"


def test_what_the_model_forbids_is_refused_in_awss_words(aws, models):
    unchecked = Config(parameter_validation=False)
    sagemaker = aws("sagemaker", config=unchecked)
    for call, words in (
        (lambda: sagemaker.describe_model(ModelName="no_underscores"), "at 'modelName' failed .* regular expression"),
        (lambda: sagemaker.list_models(MaxResults=101), "at 'maxResults' failed .* less than or equal to 100"),
        (lambda: sagemaker.list_models(SortBy="Colour"), "at 'sortBy' failed .* enum value set"),
    ):
        with pytest.raises(ClientError, match=words) as refused:
            call()
        assert refused.value.response["Error"]["Code"] == "ValidationException"
    with pytest.raises(ClientError, match="at 'durationSeconds' failed") as refused:
        aws("sts", config=unchecked).assume_role(RoleArn=ROLE, RoleSessionName="long", DurationSeconds=99999)
    assert refused.value.response["Error"]["Code"] == "ValidationError"


def test_ecr_names_the_repositories_that_mean_something_here(aws):
    ecr = aws("ecr")
    (found,) = ecr.describe_repositories(repositoryNames=["sagemaker-xgboost"])["repositories"]
    assert found["repositoryUri"].endswith(".dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost")
    names = [each["repositoryName"] for each in ecr.describe_repositories()["repositories"]]
    assert {"linear-learner", "pytorch-training"} <= set(names)
    images = ecr.describe_images(repositoryName="sagemaker-xgboost", imageIds=[{"imageTag": "1.7-1"}])["imageDetails"]
    assert [each["imageTags"] for each in images] == [["1.7-1"]]
    assert ecr.list_images(repositoryName="pca")["imageIds"] == [{"imageTag": "latest"}]
    with pytest.raises(ecr.exceptions.RepositoryNotFoundException, match="'seq2seq' does not exist"):
        ecr.describe_repositories(repositoryNames=["seq2seq"])
    with pytest.raises(ClientError, match="does not support ecr:GetAuthorizationToken"):
        ecr.get_authorization_token()
