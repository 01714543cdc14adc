"""Named accounts: `~/.config/polycloud/config.toml`, and credentials in the environment.

    default = "prod"

    [profiles.prod]
    provider = "digitalocean"
    token = { env = "DO_TOKEN" }        # or the text itself, { command = "pass show do" },
    region = "nyc1"                     # { keyring = ["service", "user"] }

    [profiles.lab]
    provider = "nephoscale"
    user = "me"
    password = { command = "pass show nephoscale" }
    timeout = 30

Settings other than the provider's credentials are options of its driver. `POLYCLOUD_CONFIG` names another
file, `POLYCLOUD_PROFILE` the profile to use by default.
"""

from __future__ import annotations

from polycloud.config.accounts import Config, Profile
from polycloud.config.connecting import connect
from polycloud.config.errors import ConfigError, ConfigWarning
from polycloud.config.files import config_file, load, profiles
from polycloud.config.secrets import source_of

__all__ = [
    "Config",
    "ConfigError",
    "ConfigWarning",
    "Profile",
    "config_file",
    "connect",
    "load",
    "profiles",
    "source_of",
]
