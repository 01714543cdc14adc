"""Generate the package of a new driver: `templates/`, filled in, and what an OpenAPI document describes."""
