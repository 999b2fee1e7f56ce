"""How the service is set up: environment variables, plans, gunicorn."""
