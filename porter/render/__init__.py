"""Results and errors as text, JSON and HTML."""
