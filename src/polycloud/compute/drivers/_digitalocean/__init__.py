"""What `polycloud.compute.drivers.digitalocean` is made of beyond the common vocabulary."""
