"""Configs of mmdet 2.x: what ``smoke``, ``data`` and ``full`` beside it are to those of 3.x."""
