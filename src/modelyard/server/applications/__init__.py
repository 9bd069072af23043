"""The three REST applications, wired: each built on one context, together in one process or apart."""
