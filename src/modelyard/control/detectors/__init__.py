"""Detectors that a project brings itself: Python files that judge a window, run in a sandbox."""
