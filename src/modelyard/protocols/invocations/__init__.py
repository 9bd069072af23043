"""`POST /endpoints/{endpoint}/invocations` and `GET .../ping`, as SageMaker's and MLflow's model servers have them.

JSON (rows, columns, SageMaker's "features", MLflow's frames), JSON Lines, CSV, npy, Parquet and images in; JSON, JSON
Lines, CSV and npy out.

Source: Amazon SageMaker Developer Guide, "Common data formats for inference"; TensorFlow Serving, "RESTful API",
row and column format ("instances", "inputs"); MLflow, "Deployment: accepted inference inputs".
"""
