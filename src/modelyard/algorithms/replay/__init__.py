"""Replay: captured requests sent to two versions in a job of their own, and what came back compared."""
