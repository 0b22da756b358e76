"""For `gunicorn -c deploy/gunicorn.conf.py app.wsgi:app`; the values come from the settings."""

from app.server.gunicorn_config import *  # noqa: F403
