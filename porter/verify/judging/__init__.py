"""Two recorded runs held against each other: figures, checks, a verdict."""
