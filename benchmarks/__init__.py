"""Measurements against what a user would pick instead; each module is a command."""
