"""The index on disk: one SQLite file, and the only folder that holds SQL."""
