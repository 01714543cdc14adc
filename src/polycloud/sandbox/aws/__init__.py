"""Amazon's EC2, S3, Route 53 and Elastic Load Balancing, as moto emulates them, in a process of its own.

One emulator is behind the names "aws", "ec2", "s3", "route53" and "elb", and each of them serves all four
services: a balancer needs EC2's subnets, for instance. The scope of a request's signature says which service
it is for; a request without a signature is taken for S3.

moto knows the states, ids, errors and responses of the services; signatures are checked here, those of
presigned URLs (signature version 4) too. Nothing takes time. There are no machines, so nothing responds at an
instance's addresses. A `ClientToken` means nothing to moto: the same one starts a second instance. `stop()`
ends the process, and with it everything that was created.
"""

from polycloud.sandbox.aws.cloud import AWS, AWSSettings

__all__ = ["AWS", "AWSSettings"]
