"""Processes that train: which Python, where, with what, and how they end."""
