"""What is kept in Redis: the logs and the registry of instances."""
