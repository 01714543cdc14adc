"""Constants of Libcloud that programs read."""

from polycloud.compute.objects import NodeAuthPassword, NodeAuthSSHKey

CHUNK_SIZE = 8096
DEFAULT_CONTENT_TYPE = "application/octet-stream"
HAVE_PARAMIKO = True
"""Whether programs may deploy: polycloud's SSH client needs no paramiko."""
PY27 = False
T_AUTH = NodeAuthSSHKey | NodeAuthPassword
