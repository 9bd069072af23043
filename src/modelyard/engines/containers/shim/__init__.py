"""The supervisor of one container, and what runs as the first process in it."""
