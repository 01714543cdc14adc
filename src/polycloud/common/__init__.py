"""What the services share: errors, HTTP, waiting, connections, the registry."""
