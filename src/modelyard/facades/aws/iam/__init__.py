"""IAM, as much as the SageMaker SDKs ask before they work: roles are names here, and what a key may do decides."""
