"""What the fault tests break things with."""
