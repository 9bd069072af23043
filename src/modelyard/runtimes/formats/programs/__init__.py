"""Models that are programs: each runs in an environment and a process of its own (runtimes.foreign)."""
