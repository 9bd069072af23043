"""What people's own programs are started with: their place in a gang, and what they ran on. Standard library only."""
