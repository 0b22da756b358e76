"""WSGI middleware around the application: proxies, other origins, keys and limits."""
