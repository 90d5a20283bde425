"""The services that exist in Node, on their way to this bridge."""
