"""The `modelyard` command: a client of the REST APIs, through the Python client. Imports that only when needed."""
