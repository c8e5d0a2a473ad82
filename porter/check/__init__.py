"""What every port promises, asked of a ported tree."""
