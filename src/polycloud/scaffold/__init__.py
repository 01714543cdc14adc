"""Generate the package of a compute driver: `templates/`, filled in with what an OpenAPI document has."""
