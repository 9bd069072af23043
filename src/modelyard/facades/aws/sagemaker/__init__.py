"""SageMaker's control plane, a folder for each of its parts."""
