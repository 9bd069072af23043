"""When jobs run: queues, quotas, the machine's capacity, and the rule that decides. Start reading at `rule.deciding`."""
