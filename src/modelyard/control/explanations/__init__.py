"""Explanations: why a running model version gave an answer."""
