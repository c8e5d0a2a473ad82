"""What can be trained: aliases and recipes."""
