"""For clients that speak the AWS protocols."""
