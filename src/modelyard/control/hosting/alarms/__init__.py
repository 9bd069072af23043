"""Metrics that programs send or endpoints leave, and alarms on them: what CloudWatch is asked for around endpoints."""
