"""What is set from outside, and how gunicorn works for us."""
