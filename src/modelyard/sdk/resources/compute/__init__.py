"""Queues, reserved windows and costs."""
