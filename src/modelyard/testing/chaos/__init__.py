"""The chaos harness: real work through the REST API while processes are killed, and what must be true all the same."""
