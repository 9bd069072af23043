"""CloudWatch Logs, as much as the SageMaker SDKs read: what training jobs print."""
