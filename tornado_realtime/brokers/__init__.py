"""What carries publications between nodes: one contract (``base``), one module per backend."""
