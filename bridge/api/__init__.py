"""What the bridge answers over HTTP, to services and to operators."""
