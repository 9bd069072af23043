"""Commands for programs that speak with AWS."""
