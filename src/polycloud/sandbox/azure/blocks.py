"""Azure's blocks: uploads in parts, which a list of blocks joins to a blob."""

from __future__ import annotations

import base64
import binascii

from polycloud.sandbox.azure.account import Account, Place, stamps
from polycloud.sandbox.azure.blobs import (
    b64_md5,
    check,
    check_md5,
    encrypted,
    key_hash,
    new_blob,
    source_of,
)
from polycloud.sandbox.azure.words import element, parse, refusal, xml_reply
from polycloud.sandbox.objects.content import Content
from polycloud.sandbox.objects.http import Reply, Request, wanted_range

_LONGEST_ID = 64
_MOST_BLOCKS = 50000


def put(account: Account, request: Request, place: Place) -> Reply:
    """Keep a block, which is no part of its blob until a list names it."""
    blocks = place.container.extra["blocks"]
    key = request.query.get("blockid", "")
    try:
        size = len(base64.b64decode(key, validate=True))
    except binascii.Error:
        size = 0
    if not 0 < size <= _LONGEST_ID:
        raise refusal("InvalidQueryParameterValue")
    content = request.content
    if "x-ms-copy-source" in request.headers:
        source = source_of(account, request).content
        wanted = wanted_range(request.headers.get("x-ms-source-range"), source.size)
        content = source.part(*wanted) if wanted else source
    elif not content.size:
        raise refusal("InvalidHeaderValue")
    check_md5(request, content)
    kept = blocks.setdefault(place.blob_name, {})
    if any(len(base64.b64decode(one)) != size for one in kept):
        raise refusal("InvalidBlobOrBlock")
    kept[key] = content
    headers = encrypted("request-server", key_hash(request))
    return Reply(201, {"content-md5": b64_md5(content), **headers})


def commit(account: Account, request: Request, place: Place) -> Reply:
    """Make a blob of the blocks that a list names, in that order."""
    container, name = place.container, place.blob_name
    check_md5(request, request.content)
    old = container.objects.get(name)
    check(request, old)
    new: dict[str, Content] = container.extra["blocks"].get(name, {})
    committed: dict[str, Content] = dict(old.extra.get("blocks", ())) if old else {}
    found = {"Committed": committed, "Uncommitted": new, "Latest": {**committed, **new}}
    blocks = []
    for row in parse(request.body):
        content = found.get(row.tag, {}).get((row.text or "").strip())
        if content is None:
            raise refusal("InvalidBlockList")
        blocks.append(((row.text or "").strip(), content))
    if len(blocks) > _MOST_BLOCKS:
        raise refusal("BlockCountExceedsLimit")
    spans = tuple(span for _, content in blocks for span in content.spans)
    blob = new_blob(account, request, place, Content(spans), extra={"blocks": blocks})
    return Reply(201, {**stamps(blob), **encrypted("request-server", blob.extra["key"])})


def show(_: Account, request: Request, place: Place) -> Reply:
    """List the blocks of a blob: committed, uncommitted, or all."""
    container, name = place.container, place.blob_name
    blob, new = container.objects.get(name), container.extra["blocks"].get(name, {})
    if blob is None and not new:
        raise refusal("BlobNotFound")
    kind = request.query.get("blocklisttype", "committed").lower()
    lists = {"committed": blob.extra.get("blocks", ()) if blob else (), "uncommitted": new.items()}
    body = ""
    for one, blocks in lists.items():
        if kind not in {one, "all"}:
            continue
        rows = "".join(
            f"<Block>{element('Name', key)}{element('Size', content.size)}</Block>" for key, content in blocks
        )
        body += f"<{one.title()}Blocks>{rows}</{one.title()}Blocks>"
    headers = {"x-ms-blob-content-length": str(blob.content.size if blob else 0)}
    return xml_reply("BlockList", body, 200, {**headers, **(stamps(blob) if blob else {})})
