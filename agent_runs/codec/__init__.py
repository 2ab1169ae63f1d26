"""Events to JSON messages and back: encoding, decoding, and the validation both sides share."""
