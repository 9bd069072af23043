"""Events: what happened to endpoints, monitors and policies, in order, for people and programs that watch."""
