"""The wire without input or output: bytes to values and back (RFC 6455 and the dialects on top of it)."""
