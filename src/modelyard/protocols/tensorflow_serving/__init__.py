"""TensorFlow Serving's REST API: `POST /v1/models/{endpoint}[/versions/{n}]:predict`, status and metadata.

Source: TensorFlow Serving, "RESTful API".
"""
