"""How the three applications call each other: `contracts`, and their HTTP and in-process implementations."""
