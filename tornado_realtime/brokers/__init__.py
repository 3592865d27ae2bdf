"""What carries publications to every node."""
