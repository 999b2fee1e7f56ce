"""How many machine instructions a request takes."""
