"""Telemetry: figures of control and the workers for Prometheus, and OpenTelemetry in both directions."""
