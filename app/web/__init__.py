"""The web worker: checks requests, turns them into pixels, and writes what the host answers."""
