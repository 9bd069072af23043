"""Retraining: from a drift verdict to a better version in front of the traffic, or to the reason why not."""
