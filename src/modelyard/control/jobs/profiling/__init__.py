"""Profiles: what a job's processes used while they ran, as figures, words and a picture."""
