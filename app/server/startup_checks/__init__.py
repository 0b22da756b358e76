"""Checks before anything starts: that the settings can work on this machine.

A store that is away, or anything else that may come right by itself, stops no start: it is a state,
which `/readyz` tells.
"""
