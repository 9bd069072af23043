"""For tests of the AWS APIs with boto3 itself."""
