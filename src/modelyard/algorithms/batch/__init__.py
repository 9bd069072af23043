"""Batch inference: a model version over a whole table, shard by shard, in a job of its own."""
