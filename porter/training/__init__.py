"""The process that trains, in the chip's own Python.

It needs torch, the mm packages and the standard library, and nothing else of porter: it is
started by its path, and takes what to do from a JSON file.
"""
