"""What to try next, and whom to end early: pure functions of the trials so far."""
