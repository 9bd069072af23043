"""AutoML jobs: what may be asked, what their process keeps, and what they have found out so far."""
