"""`POST /endpoints/{endpoint}/invocations` and `GET .../ping`: CSV or JSON in, JSON or CSV out.

Source: Amazon SageMaker Developer Guide, "Common data formats for inference"; TensorFlow Serving, "RESTful API",
row and column format ("instances", "inputs").
"""
