"""What Amazon's services share: credentials, signatures, errors, and XML in requests and responses.

A service's connection subclasses one of two: that of `polycloud.common.aws.query` for the Query API (EC2,
Elastic Load Balancing, IAM), which takes an action and its fields as a form, or that of
`polycloud.common.aws.rest` for REST with XML bodies (Route 53, S3). A driver subclasses `AWSBaseDriver`,
which finds credentials, the region and the host.

Source: Amazon's documentation of Signature version 4, of the Query API of EC2, and of the REST APIs of
Route 53 and S3.
"""

from polycloud.common.aws.connection import AWSBaseDriver, AWSConnection, AWSResponse
from polycloud.common.aws.credentials import AWSCredentials
from polycloud.common.aws.errors import AWSCredsError
from polycloud.common.aws.signing import signed

__all__ = ["AWSBaseDriver", "AWSConnection", "AWSCredentials", "AWSCredsError", "AWSResponse", "signed"]
