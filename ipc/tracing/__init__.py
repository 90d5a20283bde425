"""Which trace the work at hand belongs to, and the spans that are recorded of it."""
