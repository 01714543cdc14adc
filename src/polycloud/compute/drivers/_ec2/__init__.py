"""What `polycloud.compute.drivers.ec2` is made of beyond the common vocabulary."""
