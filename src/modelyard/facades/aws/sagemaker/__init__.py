"""SageMaker: its operations over our services."""
