"""The command line: one file per verb, imported when it is used."""

from thermograd.cli.command_line import main

__all__ = ["main"]
