"""A sandbox that speaks the API of NephoScale, a cloud of the 2010s with zones in San Jose and Richmond."""

from polycloud.sandbox.nephoscale.cloud import NephoScale
from polycloud.sandbox.nephoscale.state import NephoScaleSettings

__all__ = ["NephoScale", "NephoScaleSettings"]
