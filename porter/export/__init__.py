"""A port as something to hand on: patches, a git branch, or only the changed files."""
