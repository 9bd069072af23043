"""The hot path: the model worker, the frames it speaks, the routing table, captures, and the gateway in `gateway/`.

It never imports the control plane, the database or (but for the worker) a model framework.
"""
