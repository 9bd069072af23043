"""CloudWatch: metrics and alarms around endpoints."""
