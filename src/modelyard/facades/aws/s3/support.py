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
        "GetObject",
        "GetObjectTagging",
        "HeadBucket",
        "HeadObject",
        "ListBuckets",
        "ListObjects",
        "ListObjectsV2",
        "PutBucketVersioning",
        "PutObject",
        "PutObjectTagging",
        "UploadPart",
    )
)
REFUSED = "Not taken: forms with a POST policy, and buckets in the host's name."
