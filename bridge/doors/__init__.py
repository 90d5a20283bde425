"""How sessions get in from the network."""
