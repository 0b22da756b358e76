"""Pictures of any kind: decoded within bounds, and made into what a model takes."""
