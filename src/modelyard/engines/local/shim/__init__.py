"""The supervisor of one process: a program of its own that outlives the control plane. Standard library only."""
