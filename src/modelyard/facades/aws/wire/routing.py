"""Which service a request is for: by its target, by the service that it was signed for, by its path."""

from modelyard.facades.aws.wire.requests import WireRequest

TARGETS = {
    "SageMaker": "sagemaker",
    "Logs_20140328": "logs",
    "GraniteServiceVersion20100801": "cloudwatch",
    "AmazonEC2ContainerRegistry_V20150921": "ecr",
    "AnyScaleFrontendService": "application-autoscaling",
    "ServiceQuotasV20190624": "service-quotas",
    "RekognitionService": "rekognition",
    "Comprehend_20171127": "comprehend",
    "Textract": "textract",
    "Transcribe": "transcribe",
    "AWSShineFrontendService_20170701": "translate",
}
"""Prefix of X-Amz-Target -> botocore's name of the service."""

_SIGNED_FOR = {
    "sts": ("sts",),
    "iam": ("iam",),
    "monitoring": ("cloudwatch",),
    "polly": ("polly",),
    "lex": ("lexv2-runtime", "lexv2-models"),
    "bedrock": ("bedrock-runtime", "bedrock"),
    "sagemaker": (
        "sagemaker-runtime",
        "sagemaker-featurestore-runtime",
        "sagemaker-a2i-runtime",
        "sagemaker-metrics",
        "sagemaker-edge",
    ),
}
"""Service in the credential scope -> services that sign so and have no target; their paths tell them apart."""

SERVICES = tuple(dict.fromkeys([*TARGETS.values(), *(name for names in _SIGNED_FOR.values() for name in names), "s3"]))
"""Every service whose requests are understood, by botocore's name."""


def candidates(request: WireRequest, signed_for: str) -> tuple[str, ...]:
    """Services that the request may be for; more than one only where the path decides. Empty: none that we know."""
    target = request.headers.get("x-amz-target")
    if target is not None:
        name = TARGETS.get(target.partition(".")[0])
        return (name,) if name else ()
    if signed_for in ("", "s3"):
        return ("s3",)
    return _SIGNED_FOR.get(signed_for, ())
