"""STS: who the caller is, and credentials for a while."""
