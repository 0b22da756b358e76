"""API keys: their file, their limits and their lookup."""
