"""How AWS's clients and a server understand each other: which operation, who calls, what it takes, how errors look."""
