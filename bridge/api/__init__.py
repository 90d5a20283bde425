"""What the bridge answers to operators over HTTP."""
