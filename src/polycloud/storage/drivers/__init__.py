"""Storage drivers, one module or package a provider."""
