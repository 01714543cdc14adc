"""Object storage: containers and their objects."""
