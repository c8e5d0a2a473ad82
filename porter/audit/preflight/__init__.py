"""Which operators a config needs, and where each would run: found by reading, before any run."""
