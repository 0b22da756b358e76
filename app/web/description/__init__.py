"""The OpenAPI document of all fronts together, and the routes that show it."""
