"""One module a directive family: how it is written, and what it does."""
