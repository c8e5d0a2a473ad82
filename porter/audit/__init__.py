"""What in a tree still needs CUDA, and whether that matters on a target."""
