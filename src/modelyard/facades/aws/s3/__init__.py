"""S3: who may do what in which bucket is decided here; the store behind does the rest, and bodies flow through."""
