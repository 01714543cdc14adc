"""DNS drivers, one module a provider."""
