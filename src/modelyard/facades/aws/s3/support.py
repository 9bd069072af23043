"""What of S3 is known to work: the operations that the tests use, through this facade, on the platform's own store."""

PASSED_ON = frozenset(
    (
        "CompleteMultipartUpload",
        "CopyObject",
        "CreateBucket",
        "CreateMultipartUpload",
        "DeleteBucket",
        "DeleteObject",
        "DeleteObjects",
        "GetBucketLocation",
        "GetObject",
        "GetObjectTagging",
        "GetPublicAccessBlock",
        "HeadBucket",
        "HeadObject",
        "ListBuckets",
        "ListObjects",
        "ListObjectsV2",
        "PutBucketEncryption",
        "PutBucketVersioning",
        "PutObject",
        "PutObjectTagging",
        "PutPublicAccessBlock",
        "UploadPart",
    )
)
ALSO = (
    "Taken as well: presigned addresses of both signature versions, browser forms with a POST policy, bodies signed "
    "chunk by chunk, and buckets in the host's name."
)
