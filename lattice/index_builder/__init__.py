"""Turns passages into a tree: vectors, neighbours, clusters, descriptions."""
