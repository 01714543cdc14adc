"""Servers: nodes, sizes, images, locations, key pairs, volumes and snapshots."""
