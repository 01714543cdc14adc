"""Azure's errors, and XML."""

from __future__ import annotations

from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from polycloud.sandbox.objects.http import Refusal, Reply

XML = "application/xml"
_HEAD = '<?xml version="1.0" encoding="utf-8"?>'
_ERRORS: dict[str, tuple[int, str]] = {
    "AuthenticationFailed": (
        403,
        "Server failed to authenticate the request. Make sure that its signature is right.",
    ),
    "AuthorizationPermissionMismatch": (
        403,
        "This request is not authorized to perform this operation using this permission.",
    ),
    "BlobAlreadyExists": (409, "The specified blob already exists."),
    "BlobCustomerSpecifiedEncryptionMismatch": (
        409,
        "The given customer specified encryption does not match the encryption used to encrypt the blob.",
    ),
    "BlobNotFound": (404, "The specified blob does not exist."),
    "BlobUsesCustomerSpecifiedEncryption": (409, "The blob is encrypted with customer specified encryption."),
    "BlockCountExceedsLimit": (409, "The committed block count cannot exceed the maximum limit of 50,000."),
    "CannotVerifyCopySource": (404, "The specified resource does not exist."),
    "ConditionNotMet": (412, "The condition specified using HTTP conditional header(s) is not met."),
    "ContainerAlreadyExists": (409, "The specified container already exists."),
    "ContainerNotFound": (404, "The specified container does not exist."),
    "InvalidBlobOrBlock": (400, "The specified blob or block content is invalid."),
    "InvalidBlockList": (400, "The specified block list is invalid."),
    "InvalidHeaderValue": (400, "The value for one of the HTTP headers is not in the correct format."),
    "InvalidMd5": (400, "The MD5 value specified in the request is invalid."),
    "InvalidMetadata": (
        400,
        "The metadata specified is invalid. It has characters that are not permitted.",
    ),
    "InvalidQueryParameterValue": (
        400,
        "Value for one of the query parameters specified in the request URI is invalid.",
    ),
    "InvalidRange": (416, "The range specified is invalid for the current size of the resource."),
    "InvalidResourceName": (400, "The specified resource name contains invalid characters."),
    "InvalidUri": (400, "The requested URI does not represent any resource on the server."),
    "InvalidXmlDocument": (400, "XML specified is not syntactically valid."),
    "Md5Mismatch": (
        400,
        "The MD5 value specified in the request did not match with the MD5 value calculated by the server.",
    ),
    "MetadataTooLarge": (400, "The metadata size exceeds the maximum supported size."),
    "MissingRequiredHeader": (400, "An HTTP header that's mandatory for this request is not specified."),
    "NoAuthenticationInformation": (
        401,
        "Server failed to authenticate the request. It has neither an Authorization header nor a signature.",
    ),
    "OperationNotAllowedOnRootBlob": (
        403,
        "The operation is not allowed on the current version of the blob.",
    ),
    "OutOfRangeInput": (400, "One of the request inputs is out of range."),
    "OutOfRangeQueryParameterValue": (
        400,
        "One of the query parameters specified in the request URI is outside the permissible range.",
    ),
    "ResourceNotFound": (404, "The specified resource does not exist."),
    "UnsupportedHttpVerb": (405, "The resource doesn't support specified Http Verb."),
}


def refusal(code: str, **headers: str) -> Refusal:
    """Return the error of that code; underscores in names of headers become hyphens."""
    status, message = _ERRORS[code]
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = f"<Code>{code}</Code><Message>{escape(message)}</Message>"
    return Refusal(xml_reply("Error", body, status, {"x-ms-error-code": code, **named}))


def xml_reply(root: str, body: str, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    """Return a response whose body is one element."""
    name = root.partition(" ")[0]
    text = f"{_HEAD}<{root}>{body}</{name}>" if body else f"{_HEAD}<{root} />"
    return Reply(status, {"content-type": XML, **(headers or {})}, text.encode())


def element(name: str, text: object, **attributes: str) -> str:
    """Return an element with a text."""
    given = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
    return f"<{name}{given}>{escape(str(text))}</{name}>" if text != "" else f"<{name}{given} />"


def parse(body: bytes) -> ET.Element:
    """Return the element that a request has. Raises `Refusal`."""
    try:
        return ET.fromstring(body)  # noqa: S314 - a client on this machine
    except ET.ParseError:
        raise refusal("InvalidXmlDocument") from None
