"""What operators see, tried by itself."""
