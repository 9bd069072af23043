"""What kinds of jobs differ in. `base` says what a kind may do; `catalog` says which kind a job is of."""
