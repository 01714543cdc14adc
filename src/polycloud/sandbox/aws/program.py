"""The program in moto's process: responds to the requests of the sandbox until its standard input ends.

Its arguments are the file descriptors of connections; each has a thread, which responds to one request after
the other. Each line of the standard input is a query in JSON, and gets a line of JSON. The first one has the
settings. No module imports this one.

moto's Route 53 keeps record sets as if their changes did not say what they replace; that is mended here.
Signatures are checked here, by botocore's own signer, because moto's check fails in three of the four
services: it hashes the query of a GET as if that were its body (Route 53), knows neither presigned URLs nor
requests without a signature (S3), and reports errors in a form that only clients of EC2 can read.
"""

from __future__ import annotations

import gc
import io
import json
import os
import re
import sys
import threading
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import md5, sha256
from multiprocessing.connection import Connection
from secrets import token_hex
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes
from wsgiref.util import setup_testing_defaults
from zlib import crc32

from botocore.auth import SIGV4_TIMESTAMP, S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth  # type: ignore[import-untyped]
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
from botocore.credentials import Credentials  # type: ignore[import-untyped]
from moto.core.base_backend import BackendDict, BaseBackend
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.core.request import (
    PRESERVED_HEADER_NAMES_ENVIRON_KEY,
    environ_key_for_header,
    should_preserve_original_header_name,
)
from moto.core.responses import ActionResult
from moto.ec2 import utils
from moto.ec2.models import ec2_backends
from moto.ec2.models.instance_types import INSTANCE_FAMILIES, InstanceTypeBackend
from moto.moto_server.utilities import RegexConverter
from moto.moto_server.werkzeug_app import BackendRequest, create_backend_app
from werkzeug import Response
from werkzeug.test import run_wsgi_app

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

BACKENDS = {"ec2": "ec2", "elasticloadbalancing": "elb", "route53": "route53", "s3": "s3"}
"""moto's backend for each service that a signature can be for; that of ELB serves ELBv2 too."""

ALGORITHM = "AWS4-HMAC-SHA256"
REFUSALS = {
    "The request is not signed.": ("AuthFailure", "AccessDenied", "MissingAuthenticationToken"),
    "The access key does not exist.": ("AuthFailure", "InvalidAccessKeyId", "InvalidClientTokenId"),
    "The signature is wrong.": ("AuthFailure", "SignatureDoesNotMatch", "SignatureDoesNotMatch"),
    "The request has expired.": ("AuthFailure", "AccessDenied", "SignatureDoesNotMatch"),
    "The content has another checksum.": ("", "BadDigest", ""),
}
"""Error codes of EC2, of S3, and of other services."""

changing = threading.Lock()

UNSIGNED, UNKNOWN_KEY, WRONG, EXPIRED, CHANGED = REFUSALS


def main() -> None:
    """Serve AWS, and the queries on standard input."""
    # The input ends with the process that started this one, however that ends.
    queries = map(json.loads, sys.stdin)
    key, secret, types = next(queries)
    if types:
        keep_types(types.split(","))
    admit_newlines()
    # moto draws each digit of an id by itself, a fifth of the time that its 1,300 images take.
    utils.random_resource_id = lambda size=8: token_hex(size)[:size]
    # moto makes all that every account has anew, such as 1,300 images, before it forgets it.
    BaseBackend.reset = lambda self: None  # type: ignore[method-assign]  # noqa: ARG005
    gc.freeze()  # what was imported is never garbage
    gc.set_threshold(100_000)  # a reset takes a fifth less: the 1,300 images are 50,000 objects
    gc.enable()
    credentials = Credentials(key, secret)
    for descriptor in map(int, sys.argv[1:]):
        threading.Thread(target=serve, args=(Connection(descriptor), credentials), daemon=True).start()
    reply(None)
    for query in queries:
        if query == "reset":
            BackendDict.reset()
        reply(servers())
    os._exit(0)


def serve(connection: Connection, credentials: Credentials) -> None:
    """Respond to the requests of a connection, until the other end is closed."""
    while True:
        try:
            environ = environment(*connection.recv())
        except EOFError:
            return
        try:
            app = application(BackendRequest(environ), credentials)
            environ["wsgi.input"].seek(0)  # to check the signature takes the body
            chunks, status, headers = run_wsgi_app(app, environ, buffered=True)
        except Exception as error:  # noqa: BLE001 - whatever moto raises is a response for the client
            app = Response(f"moto failed: {error!r}", 500)
            chunks, status, headers = run_wsgi_app(app, environ, buffered=True)
        connection.send((int(status.split()[0]), list(headers.items()), b"".join(chunks)))


def application(request: BackendRequest, credentials: Credentials) -> WSGIApplication:
    """Return what responds to a request: moto's application for its service, or a refusal."""
    signature = find_signature(request)
    service = signature.get("service", "s3")
    problem = find_problem(request, signature, credentials)
    if problem == UNSIGNED and is_for_anyone(request):
        problem = None
    if service == "s3" and not problem and not has_its_checksum(request):
        problem = CHANGED
    return refusal(service, problem) if problem else backend(service)


def environment(method: str, target: str, headers: dict[str, str], body: bytes) -> WSGIEnvironment:
    """Return a request in the form that WSGI defines, with what moto adds to it.

    WSGI has no underscores in names of headers, which the metadata of S3's objects may have.
    """
    path, _, query = target.partition("?")
    fields = {environ_key_for_header(name): value for name, value in headers.items() if "_" not in name}
    kept = {
        environ_key_for_header(name): name for name in headers if should_preserve_original_header_name(name)
    }
    kept = {key: name for key, name in kept.items() if key not in fields}
    environ = {
        **fields,
        **{key: headers[name] for key, name in kept.items()},
        PRESERVED_HEADER_NAMES_ENVIRON_KEY: kept,
        "CONTENT_LENGTH": str(len(body)),
        "REQUEST_METHOD": method,
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "RAW_URI": target,
        "wsgi.input": io.BytesIO(body),
    }
    setup_testing_defaults(environ)  # adds what moto does not look at
    return environ


def keep_types(families: list[str]) -> None:
    """Drop the instance types of other families."""
    if unknown := set(families) - set(INSTANCE_FAMILIES):
        sys.exit(f"there are no instance types {', '.join(sorted(unknown))}")
    types = InstanceTypeBackend.instance_types
    InstanceTypeBackend.instance_types = [one for one in types if one.name.split(".")[0] in families]


def admit_newlines() -> None:
    """Have moto's routes match the newlines that names of S3's objects may have."""
    define = RegexConverter.__init__

    def define_with_newlines(self: RegexConverter, url_map: Any, *items: Any) -> None:
        define(self, url_map, *items)
        self.regex = f"(?s:{self.regex})"

    RegexConverter.__init__ = define_with_newlines  # type: ignore[method-assign]


def give_acls() -> None:
    """Give the default ACL to objects that were uploaded in parts: moto gives none, and fails to show it."""
    from moto.s3.models import FakeKey, get_canned_acl

    set_acl = FakeKey.set_acl
    FakeKey.set_acl = lambda self, acl: set_acl(self, acl or get_canned_acl("private"))  # type: ignore[method-assign]


def keep_record_sets() -> None:
    """Have moto change and list the record sets of zones as Route 53 does.

    moto deletes whatever has a name and type (or an identifier), lets sets be made twice, begins pages
    without regard to identifiers, and shows names as they were written and its SOA record as a dict.
    """
    from moto.route53.models import Route53Backend
    from moto.route53.responses import Route53

    Route53Backend.change_resource_record_sets = change_sets  # type: ignore[method-assign]
    Route53.list_resource_record_sets = list_sets  # type: ignore[method-assign]


def change_sets(self: Any, zoneid: str, change_list: list[dict[str, Any]]) -> None:
    """Make all changes of a batch, or none.

    A DELETE must name a set as it is, and a CREATE one that is not there.
    """
    from moto.route53.exceptions import DnsNameInvalidForZone, Route53ClientError

    zone = self.get_hosted_zone(zoneid)
    with changing:
        sets = {str(place(one)): one for one in sets_of(zone)}
        for change in change_list:
            action, one = change["Action"], record_set(change["ResourceRecordSet"])
            if not f".{one.name}".endswith(f".{escaped(zone.name)}"):
                raise DnsNameInvalidForZone(one.name, zone.name)
            if problem := find_contradiction(action, sets.pop(str(place(one)), None), one):
                named = f"resource record set [name='{one.name}', type='{one.type}']"
                message = f"Tried to {action.lower()} {named} but {problem}"
                raise Route53ClientError("InvalidChangeBatch", message)
            if action != "DELETE":
                sets[str(place(one))] = one
        zone.rrsets = list(sets.values())


def list_sets(self: Any) -> ActionResult:
    """Return a page of record sets, which begins at a name, a type and an identifier."""
    size = self._get_int_param("MaxItems", 300)
    name, *more = (self._get_param(f"StartRecord{field}") or "" for field in ("Name", "Type", "Identifier"))
    start = (labels(name), *more)
    zone = self.backend.get_hosted_zone(self._get_param("HostedZoneId"))
    sets = [one for one in sets_of(zone) if not name or place(one) >= start]
    page: dict[str, Any] = {"ResourceRecordSets": sets[:size], "IsTruncated": False, "MaxItems": size}
    if following := sets[size:]:
        fields = {"Name": "name", "Type": "type", "Identifier": "set_identifier"}
        page |= {f"NextRecord{field}": getattr(following[0], own) for field, own in fields.items()}
        page["IsTruncated"] = True
    return ActionResult(page)


def sets_of(zone: Any) -> list[Any]:
    """Return the sets of a zone in order, those too that moto has made."""
    for one in zone.rrsets:
        one.name = escaped(one.name)
        one.records = [value["Value"] if isinstance(value, dict) else value for value in one.records]
    return sorted(zone.rrsets, key=place)


def record_set(fields: dict[str, Any]) -> Any:
    """Return moto's object for a set in a request."""
    from moto.route53.models import RecordSet

    values = [value["Value"] for value in fields.get("ResourceRecords", ())]
    kind: Any = RecordSet
    return kind({**fields, "Name": escaped(fields["Name"]), "ResourceRecords": values})


def find_contradiction(action: str, there: Any, wanted: Any) -> str:
    """Return how a change contradicts the set that is there, in Amazon's words; "" if it does not."""
    if action == "CREATE" and there:
        return "it already exists"
    if action == "DELETE" and not there:
        return "it was not found"
    now, then = (
        {**vars(one), "ttl": str(one.ttl), "records": sorted(one.records)} if one else {}
        for one in (there, wanted)
    )
    return "the values provided do not match the current values" if action == "DELETE" and now != then else ""


def place(one: Any) -> tuple[list[str], str, str]:
    """Return what a zone has one set of, in the order of lists."""
    return labels(one.name), one.type, one.set_identifier or ""


def labels(name: str) -> list[str]:
    """Return the labels of a name, the last one first."""
    return escaped(name).split(".")[::-1]


def escaped(name: str) -> str:
    """Return a name as Route 53 shows it: absolute, in lower case, other characters in octal."""
    plain = re.sub(r"\\([0-3][0-7]{2})", lambda match: f"\\{chr(int(match[1], 8))}", name)
    found = re.sub(
        r"\\(.)|([^A-Za-z0-9_.-])", lambda match: f"\\{ord((match[1] or match[2]).lower()):03o}", plain
    )
    return found.lower().rstrip(".") + "."


def servers() -> list[dict[str, Any]]:
    """Return the instances of all regions."""
    return [
        {
            "id": instance.id,
            "name": next((tag["value"] for tag in instance.get_tags() if tag["key"] == "Name"), instance.id),
            "state": instance.state,
            "region": region,
            "type": instance.instance_type,
            "addresses": [address for address in (instance.public_ip, instance.private_ip) if address],
            "machine": "none",
        }
        for region, backend in list(ec2_backends[DEFAULT_ACCOUNT_ID].items())
        for reservation in list(backend.reservations.values())
        for instance in list(reservation.instances)
    ]


def reply(value: Any) -> None:
    """Print a line of JSON."""
    print(json.dumps(value), flush=True)  # noqa: T201 - standard output is the channel of the program


@cache
def backend(service: str) -> Any:
    """Return moto's application for a service."""
    if service == "s3":
        give_acls()
    if service == "route53":
        keep_record_sets()
    if service not in BACKENDS:
        return Response(f"the sandbox serves {', '.join(BACKENDS)}, not {service}", 501)
    return create_backend_app(BACKENDS[service])  # type: ignore[arg-type]


def find_signature(request: BackendRequest) -> dict[str, str]:
    """Return the parts of a request's signature, from its header or its URL; empty if it has none."""
    found = dict.fromkeys(("Credential", "Date", "SignedHeaders", "Signature"), "")
    kind, _, parts = request.headers.get("Authorization", "").partition(" ")
    if kind == ALGORITHM:
        pairs = (part.strip().partition("=") for part in parts.split(","))
        found |= {"Date": request.headers.get("X-Amz-Date", ""), **{name: value for name, _, value in pairs}}
    elif request.args.get("X-Amz-Algorithm") == ALGORITHM:
        found |= {name.removeprefix("X-Amz-"): value for name, value in request.args.items()}
    scope = re.fullmatch(r"(?P<key>.+)/\d+/(?P<region>.+)/(?P<service>.+)/aws4_request", found["Credential"])
    return {**found, **scope.groupdict()} if scope else {}


def find_problem(request: BackendRequest, signature: dict[str, str], credentials: Credentials) -> str | None:
    """Return why a request must be refused, one of `REFUSALS`; None if it may be served."""
    if not signature:
        return UNSIGNED
    if signature["key"] != credentials.access_key:
        return UNKNOWN_KEY
    if signature["Signature"] != sign(request, signature, credentials) or not has_signed_body(request):
        return WRONG
    if "Expires" in signature:
        signed = datetime.strptime(signature["Date"], SIGV4_TIMESTAMP).replace(tzinfo=UTC)
        if signed + timedelta(seconds=int(signature["Expires"])) < datetime.now(UTC):
            return EXPIRED
    return None


def sign(request: BackendRequest, signature: dict[str, str], credentials: Credentials) -> str:
    """Return the right signature for a request that has the given one."""
    kind = SigV4Auth
    if signature["service"] == "s3":
        kind = S3SigV4QueryAuth if "Expires" in signature else S3SigV4Auth
    signer = kind(credentials, signature["service"], signature["region"])
    path, _, query = request.environ["RAW_URI"].partition("?")
    parameters = [part for part in query.split("&") if not part.startswith("X-Amz-Signature=")]
    names = signature["SignedHeaders"].split(";")
    signed = AWSRequest(
        method=request.method,
        url=f"{path}?{'&'.join(parameters)}",
        data=request.get_data(),
        headers={name: value for name, value in request.headers.items() if name.lower() in names},
    )
    signed.context["timestamp"] = signature["Date"]
    text: str = signer.string_to_sign(signed, signer.canonical_request(signed))
    return str(signer.signature(text, signed))


def has_signed_body(request: BackendRequest) -> bool:
    """Return whether the body has the digest in the header that clients of S3 sign."""
    digest = request.headers.get("X-Amz-Content-SHA256", "")
    is_unsigned = not digest or digest.startswith(("UNSIGNED-", "STREAMING-"))
    return is_unsigned or digest == sha256(request.get_data()).hexdigest()


def has_its_checksum(request: BackendRequest) -> bool:
    """Return whether a body has the checksums in its headers, which S3 verifies."""
    body, headers = request.get_data(), request.headers
    digests: dict[str, Callable[[], bytes]] = {
        "Content-MD5": lambda: md5(body, usedforsecurity=False).digest(),
        "x-amz-checksum-crc32": lambda: crc32(body).to_bytes(4, "big"),
    }
    return all(
        headers[name] == b64encode(digest()).decode() for name, digest in digests.items() if name in headers
    )


def is_for_anyone(request: BackendRequest) -> bool:
    """Return whether a request reads one of S3's objects, whose access control lists moto checks itself."""
    return request.method in {"GET", "HEAD"} and "/" in request.path.strip("/")


def refusal(service: str, problem: str) -> Response:
    """Return the service's response to a request with that problem."""
    ec2, s3, other = REFUSALS[problem]
    message = f"<Message>{problem}</Message>"
    if service == "ec2":
        body = f"<Response><Errors><Error><Code>{ec2}</Code>{message}</Error></Errors></Response>"
        return Response(body, 401, mimetype="text/xml")
    if service == "s3":
        status = 400 if problem == CHANGED else 403
        return Response(f"<Error><Code>{s3}</Code>{message}</Error>", status, mimetype="application/xml")
    body = f"<ErrorResponse><Error><Type>Sender</Type><Code>{other}</Code>{message}</Error></ErrorResponse>"
    return Response(body, 403, mimetype="text/xml")


if __name__ == "__main__":
    main()
