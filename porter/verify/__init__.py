"""Proof by training: a ported tree against upstream, step by step, and a verdict."""
