"""Who may ask: API keys, what they may ask for how often, and the files that TLS needs."""
