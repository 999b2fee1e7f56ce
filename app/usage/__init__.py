"""What accounts have used: roll-ups that outlive the detail, and the archive that makes them."""
