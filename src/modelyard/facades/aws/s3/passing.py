"""What the store answers, as it goes on to the client."""

from starlette.types import Message, Send

from modelyard.facades.aws.wire.errors import AwsError

_NOT_DONE = (405, 501)
_OF_BUCKETS = frozenset(
    (
        "CreateBucket",
        "DeleteBucket",
        *(
            f"{verb}Bucket{what}"
            for verb in ("Put", "Delete")
            for what in ("Cors", "Encryption", "OwnershipControls", "Policy", "Tagging")
        ),
        *("PutBucketAcl", "PutBucketLifecycle", "PutBucketLifecycleConfiguration", "DeleteBucketLifecycle"),
        *("PutBucketVersioning", "PutObjectLockConfiguration"),
    )
)
"""What SeaweedFS does to whole buckets. It takes any other for making the bucket, or for deleting it."""
_OF_STORE = (b"server", b"date", b"seaweed-")


class StoreAnswer:
    """Passes an answer on and remembers its status; what is the store's own business is left out.

    Args:
        send: the client's.
        is_named: whether an answer "not implemented" is kept back, for the caller to name the operation in one of his
            own.
    """

    def __init__(self, send: Send, *, is_named: bool) -> None:
        self._send = send
        self._is_named = is_named
        self.status = 0

    @property
    def is_kept_back(self) -> bool:
        """Whether nothing was passed on."""
        return self._is_named and self.status in _NOT_DONE

    async def __call__(self, message: Message) -> None:
        """See ASGI."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [each for each in message["headers"] if not each[0].lower().startswith(_OF_STORE)]
            message = {**message, "headers": headers}
        if not self.is_kept_back:
            await self._send(message)


def check_done(operation: str, method: str, key: str) -> None:
    """Nothing if SeaweedFS does what a request asks for, and nothing else.

    Raises:
        AwsError: it changes a whole bucket in a way that SeaweedFS does not know.
    """
    if not key and method in ("PUT", "DELETE") and operation not in _OF_BUCKETS:
        raise not_done(operation)


def not_done(operation: str) -> AwsError:
    """The store does not know an operation."""
    return AwsError(
        "NotImplemented",
        f"The S3 store does not support s3:{operation}. docs/reference/aws-operations.md lists what is tested.",
        status=501,
    )
