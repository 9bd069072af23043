"""Operations of ECR, over the repositories of AWS's whose images are carried out here.

There is no registry and nothing to pull: a repository's name stands for an implementation of ours, whatever the tag.
"""

from collections.abc import Sequence

from modelyard.facades.aws.wire.errors import AwsError
from modelyard.facades.aws.wire.operations import Answer, Call, Request, operation
from modelyard.types.access import Action

_TAG = "latest"


class RepositoryOperations:
    """What there is by name.

    Args:
        repositories: names, in order.
    """

    def __init__(self, repositories: Sequence[str]) -> None:
        self._repositories = repositories

    @operation("ecr", "DescribeRepositories", Action.READ, partly="Shows AWS's repositories whose images run here.")
    def describe_repositories(self, call: Call, request: Request) -> Answer:
        """Those that are asked for, or all."""
        wanted = request.get("repositoryNames") or self._repositories
        for name in wanted:
            self._check(call, name)
        registry = _registry(call, request)
        return {
            "repositories": [
                {
                    "repositoryName": name,
                    "repositoryArn": f"arn:aws:ecr:{call.region}:{registry}:repository/{name}",
                    "registryId": registry,
                    "repositoryUri": f"{registry}.dkr.ecr.{call.region}.amazonaws.com/{name}",
                }
                for name in wanted
            ]
        }

    @operation("ecr", "DescribeImages", Action.READ, partly="One image a repository, for every tag; it has no digest.")
    def describe_images(self, call: Call, request: Request) -> Answer:
        """The image, under the tags that are asked for."""
        name = request["repositoryName"]
        self._check(call, name)
        tags = [each["imageTag"] for each in request.get("imageIds") or () if "imageTag" in each] or [_TAG]
        image = {"registryId": _registry(call, request), "repositoryName": name, "imageTags": tags}
        return {"imageDetails": [image]}

    @operation("ecr", "ListImages", Action.READ, partly="One image a repository; it has no digest.")
    def list_images(self, call: Call, request: Request) -> Answer:
        """The tag `latest`."""
        self._check(call, request["repositoryName"])
        return {"imageIds": [{"imageTag": _TAG}]}

    def _check(self, call: Call, name: str) -> None:
        if name not in self._repositories:
            known = ", ".join(self._repositories)
            raise AwsError(
                "RepositoryNotFoundException",
                f"The repository with name '{name}' does not exist in the registry with id '{call.account_id}'. "
                f"There are {known}.",
            )


def _registry(call: Call, request: Request) -> str:
    return str(request.get("registryId") or call.account_id)
