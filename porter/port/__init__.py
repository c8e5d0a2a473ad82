"""The stages of a port and of looking after one: from what is asked to what is written."""
