"""Share values between the parts of the package; nothing here does I/O."""
