"""Values and pure functions of admission, and the helpers of its other tests."""
