"""When jobs run: queues, quotas, capacity, and the rule that decides. Start reading at `rule.deciding`."""
