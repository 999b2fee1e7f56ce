"""What the service is measured beside: small honest programs that do the same with less."""
