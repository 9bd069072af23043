"""Alerts: written down together with what they tell, then carried to webhooks and mailboxes until taken."""
