"""What evaluations and explanations answer."""
