"""When a policy starts a run by itself, and what it waits for."""
