"""Tags of whatever has an ARN."""
