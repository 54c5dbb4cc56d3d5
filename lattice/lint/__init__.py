"""Whether a tree can be searched: its shape, its descriptions, and whether they lead back to the passages."""
