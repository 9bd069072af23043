"""SageMaker models, endpoint configurations and endpoints."""
