"""What one check does: fetch what traffic is compared with, the traffic, or its labels, and judge."""
