"""How one request travels: messages, transports, retries, rate limits."""
