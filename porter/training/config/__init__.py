"""Configs as plain dicts and lists, made fit for a smoke run or pointed at the user's data.

Nothing here imports torch or an mm package, so every engine can use it.
"""
