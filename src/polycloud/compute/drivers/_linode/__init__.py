"""What `polycloud.compute.drivers.linode` is made of beyond the common vocabulary."""
