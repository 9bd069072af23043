"""What jobs and replicas use, what it costs, and budgets. Start reading at `ledger`."""
