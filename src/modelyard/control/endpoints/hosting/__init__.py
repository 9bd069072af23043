"""Model hosts: processes that hold many small models, and warm ones that wait. Start reading at `hosts`."""
