"""Bytes to commands and publications to bytes; no input or output happens here."""
