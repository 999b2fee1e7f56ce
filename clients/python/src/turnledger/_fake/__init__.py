"""Answer as the service does, from memory: the parts of `turnledger.testing.FakeLedger`."""
