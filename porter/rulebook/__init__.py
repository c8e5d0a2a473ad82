"""Rules and targets: their files, read and checked."""
