"""Models that are programs: they run in a process of their own, with an interpreter and packages of their own."""
