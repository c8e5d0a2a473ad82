"""The command line: parse, call one function, render, exit code."""

from __future__ import annotations

from porter.cli.app import main

__all__ = ["main"]
