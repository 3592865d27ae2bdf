"""What can this server carry, on this machine? A small load generator for everybody: `tornado-realtime bench`."""
