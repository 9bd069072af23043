"""Looks whether this machine can run the platform: one file for each kind of thing that is looked at."""
