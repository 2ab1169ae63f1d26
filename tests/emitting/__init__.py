"""What the tests of the emitter share: programs that emit, the ledger of what they said, and what became of it."""
