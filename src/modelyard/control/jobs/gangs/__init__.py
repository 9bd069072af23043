"""Jobs of several processes on several machines. Those whose members share a machine are one process to the engine."""
