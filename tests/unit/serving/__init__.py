"""Test the adapter to Granian, and the parts that both servers share."""
