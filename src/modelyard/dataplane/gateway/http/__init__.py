"""Inference over HTTP/1.1: connections, requests, answers, and the way to control. Other protocols stand beside it."""
