"""How a worker reaches a hub: in its own process, or through the bridge."""
