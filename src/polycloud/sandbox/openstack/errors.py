"""Refusals that only OpenStack has."""

from __future__ import annotations

from polycloud.sandbox.rest.errors import ApiError, ConflictError, ForbiddenError, InputError, NotFoundError
from polycloud.sandbox.rest.replies import Json


class VersionError(ApiError):
    """No such microversion."""

    status = 406


class OverLimitError(ApiError):
    """A quota of Cinder is used up."""

    status = 413


class MediaTypeError(ApiError):
    """The body is of a type that is not read here."""

    status = 415


class NeutronError(ApiError):
    """An error with the word by which Neutron names its kind."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class NeutronNotFoundError(NeutronError, NotFoundError):
    """A network resource does not exist."""


class NeutronConflictError(NeutronError, ConflictError):
    """A network resource is in use, or a quota is used up."""


class NeutronInputError(NeutronError, InputError):
    """A request to Neutron is invalid."""


class NeutronForbiddenError(NeutronError, ForbiddenError):
    """A request to Neutron needs the administrator."""


class DesignateError(ApiError):
    """An error with Designate's word for its kind, and the problems of the fields of a request, if any."""

    def __init__(self, kind: str, reason: str = "", problems: tuple[Json, ...] = ()) -> None:
        super().__init__(reason)
        self.kind = kind
        self.details = problems


class DesignateInputError(DesignateError, InputError):
    """A request to Designate is invalid."""


class DesignateForbiddenError(DesignateError, ForbiddenError):
    """A zone is too near to one of another project."""


class DesignateNotFoundError(DesignateError, NotFoundError):
    """A zone or a record set does not exist."""


class DesignateConflictError(DesignateError, ConflictError):
    """There is such a zone or record set already."""


class DesignateQuotaError(DesignateError, OverLimitError):
    """A quota of Designate is used up."""
