"""The adapter to Granian, and what both servers share."""
