"""SageMaker's models and endpoints on our registry and endpoints: an archive becomes a version, a variant a variant."""
