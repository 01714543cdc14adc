"""What `polycloud new-driver` writes: `templates/`, filled in, with what an OpenAPI document tells."""
