"""The names of object storage: providers, and the errors of containers and objects."""

from __future__ import annotations

from collections.abc import Sequence

from polycloud.common.types import Type
from polycloud.errors import (
    ConflictError,
    InvalidNameError,
    NotFoundError,
    PolycloudError,
    ProviderHTTPError,
)
from polycloud.utils.status import HTTPStatus

__all__ = [
    "ContainerAlreadyExistsError",
    "ContainerDoesNotExistError",
    "ContainerError",
    "ContainerIsNotEmptyError",
    "InvalidContainerNameError",
    "ObjectAlreadyExistsError",
    "ObjectDoesNotExistError",
    "ObjectError",
    "ObjectHashMismatchError",
    "ObjectsNotDeletedError",
    "Provider",
]


SHOWN = 3
"""How many objects a message names."""


class Provider(Type):
    """The storage providers that have a name; `polycloud providers` shows which have a driver."""

    ALIYUN_OSS = "aliyun_oss"
    AURORAOBJECTS = "auroraobjects"
    AZURE_BLOBS = "azure_blobs"
    BACKBLAZE_B2 = "backblaze_b2"
    CLOUDFILES = "cloudfiles"
    CLOUDFILES_SWIFT = "cloudfiles_swift"
    CLOUDFILES_UK = "cloudfiles_uk"
    CLOUDFILES_US = "cloudfiles_us"
    DIGITALOCEAN_SPACES = "digitalocean_spaces"
    DUMMY = "dummy"
    GOOGLE_STORAGE = "google_storage"
    GOOGLE_STORAGE_HMAC = "google_storage_hmac"
    KTUCLOUD = "ktucloud"
    LINODE = "linode"
    LOCAL = "local"
    MINIO = "minio"
    NIMBUS = "nimbus"
    NINEFOLD = "ninefold"
    OPENSTACK_SWIFT = "openstack_swift"
    OVH = "ovh"
    R2 = "r2"
    RGW = "rgw"
    S3 = "s3"
    S3_AP_NORTHEAST = "s3_ap_northeast"
    S3_AP_NORTHEAST1 = "s3_ap_northeast_1"
    S3_AP_NORTHEAST2 = "s3_ap_northeast_2"
    S3_AP_SOUTH = "s3_ap_south"
    S3_AP_SOUTHEAST = "s3_ap_southeast"
    S3_AP_SOUTHEAST2 = "s3_ap_southeast2"
    S3_CA_CENTRAL = "s3_ca_central"
    S3_CN_NORTH = "s3_cn_north"
    S3_CN_NORTHWEST = "s3_cn_northwest"
    S3_EU_CENTRAL = "s3_eu_central"
    S3_EU_NORTH1 = "s3_eu_north_1"
    S3_EU_WEST = "s3_eu_west"
    S3_EU_WEST2 = "s3_eu_west_2"
    S3_EU_WEST3 = "s3_eu_west_3"
    S3_RGW = "s3_rgw"
    S3_RGW_OUTSCALE = "s3_rgw_outscale"
    S3_SA_EAST = "s3_sa_east"
    S3_US_EAST2 = "s3_us_east_2"
    S3_US_GOV_WEST = "s3_us_gov_west"
    S3_US_WEST = "s3_us_west"
    S3_US_WEST_OREGON = "s3_us_west_oregon"
    SCALEWAY = "scaleway"
    WASABI = "wasabi"


class ContainerError(ProviderHTTPError):
    """An error about the container `container_name`.

    `code` is the usual status of this error; that of the response, if there was one, is in `exchange`.
    """

    default = "the operation on the container failed"
    status = 0

    def __init__(self, value: object = "", driver: object = None, container_name: str = "") -> None:
        super().__init__(self.status, value or f"{self.default}: {container_name!r}")
        self.driver = driver
        self.container_name = container_name


class ContainerDoesNotExistError(ContainerError, NotFoundError):
    """There is no container of this name."""

    default = "the container does not exist"
    status = HTTPStatus.NOT_FOUND


class ContainerAlreadyExistsError(ContainerError, ConflictError):
    """There is a container of this name already; at some providers that of another account."""

    default = "the container already exists"
    status = HTTPStatus.CONFLICT


class ContainerIsNotEmptyError(ContainerError, ConflictError):
    """The container has objects, so it cannot be deleted."""

    default = "the container is not empty"
    status = HTTPStatus.CONFLICT


class InvalidContainerNameError(ContainerError, InvalidNameError):
    """The provider does not allow this name for a container."""

    default = "the name is not valid for a container"
    status = HTTPStatus.BAD_REQUEST


class ObjectError(ProviderHTTPError):
    """An error about the object `object_name`; `code` is as in `ContainerError`."""

    default = "the operation on the object failed"
    status = 0

    def __init__(self, value: object = "", driver: object = None, object_name: str = "") -> None:
        super().__init__(self.status, value or f"{self.default}: {object_name!r}")
        self.driver = driver
        self.object_name = object_name


class ObjectDoesNotExistError(ObjectError, NotFoundError):
    """There is no object of this name in the container."""

    default = "the object does not exist"
    status = HTTPStatus.NOT_FOUND


class ObjectAlreadyExistsError(ObjectError, ConflictError):
    """The object exists, or is another than the call asked for (`if_none_match`, `if_match`)."""

    default = "the object exists, or has changed"
    status = HTTPStatus.PRECONDITION_FAILED


class ObjectsNotDeletedError(PolycloudError):
    """Some of many objects were not deleted.

    `failed` has their names and the error of each, `deleted` is how many were deleted. If `complete` is
    False, the delete ended before all objects were tried, since too many had failed.
    """

    def __init__(
        self,
        failed: Sequence[tuple[str, PolycloudError]],
        deleted: int,
        driver: object = None,
        *,
        complete: bool = True,
    ) -> None:
        few = [f"{name!r}: {error}" for name, error in failed[:SHOWN]]
        more = [f"and {len(failed) - SHOWN:,} more"] if len(failed) > SHOWN else []
        ended = "" if complete else "; no others were tried"
        counts = f"{len(failed):,} objects were not deleted, {deleted:,} were{ended}"
        super().__init__(f"{counts}: {'; '.join(few + more)}", driver)
        self.failed, self.deleted, self.complete = list(failed), deleted, complete


class ObjectHashMismatchError(ObjectError):
    """What arrived is not what was sent: the checksums differ. Nothing is kept of it."""

    default = "the checksum of the object does not match"
