"""Detectors of one's own: what is handed to them, and the program that runs them in a sandbox."""
