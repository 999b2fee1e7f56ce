"""What every request passes, whatever its subject."""
