"""The description of the service that machines read: OpenAPI 3.1.

Each front has a module that says what it takes and answers. Bounds come from the settings, sizes
and examples from what serves, fields from the models that check or write them, summaries from the
one list of routes.
"""
