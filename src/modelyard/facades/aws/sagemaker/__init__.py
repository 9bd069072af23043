"""SageMaker: operations by resource."""
