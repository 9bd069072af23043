"""Buckets in the host's name."""

import pytest

from modelyard.facades.aws.wire.requests import bucket_in


@pytest.mark.parametrize(
    ("host", "bucket"),
    [
        ("wine.s3.ml.example.com", "wine"),
        ("Wine.data.s3.ml.example.com:8000", "wine.data"),
        ("wine.localhost:8000", "wine"),
        ("wine.s3.localhost", "wine"),
        ("s3.ml.example.com", ""),
        ("s3.localhost:8000", ""),
        ("localhost:8000", ""),
        ("127.0.0.1:8000", ""),
        ("ml.example.com", ""),
    ],
)
def test_a_bucket_stands_before_s3_or_localhost(host, bucket):
    assert bucket_in(host) == bucket
