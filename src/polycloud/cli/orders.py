"""Orders of new nodes: size, image, location and key by name, and the steps of a deployment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from polycloud.cli import extras, finding
from polycloud.cli.cells import cell
from polycloud.cli.nouns import IMAGES, KEYS, LOCATIONS, SIZES
from polycloud.compute.deployment import (
    Deployment,
    FileDeployment,
    MultiStepDeployment,
    ScriptFileDeployment,
)
from polycloud.compute.keys import require_public_key
from polycloud.compute.objects import NodeAuthSSHKey
from polycloud.errors import InvalidArgumentError, NotFoundError

if TYPE_CHECKING:
    from polycloud.cli.resources import Noun
    from polycloud.compute.base import NodeDriver
    from polycloud.compute.objects import NodeLocation

__all__ = ["Order", "describe", "describe_steps", "login_key", "public_half", "steps"]

USUAL_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a node, as the user typed it."""

    name: str
    size: str | None = None
    image: str | None = None
    location: str | None = None
    key: str | None = None
    tags: Sequence[str] = ()
    idempotency_key: str | None = None
    user_data: Path | None = None
    security_groups: Sequence[str] = ()
    networks: Sequence[str] = ()
    settings: Sequence[str] = ()
    count: int = 1

    def arguments(self, driver: NodeDriver) -> dict[str, Any]:
        """The arguments of `create_node`, with the resources that the names refer to."""
        more = merged(
            extras.parsed(driver, self.settings),
            extras.usual(driver, "security-group", self.security_groups),
            extras.usual(driver, "network", self.networks),
            self._login(driver),
        )
        place = finding.choose(driver, LOCATIONS, self.location) if self.location else None
        there = () if place is None else (place,)
        return {
            "name": self.name,
            **_chosen(driver, SIZES, self.size, there),
            **_chosen(driver, IMAGES, self.image, there),
            **({} if place is None else {"location": place}),
            **more,
            **extras.if_supported(driver, extras.CREATE_NODE, "tags", list(self.tags)),
            **extras.if_supported(
                driver, extras.CREATE_NODE, "user_data", _text("user data", self.user_data)
            ),
            **extras.if_supported(driver, extras.CREATE_NODE, "idempotency_key", self.idempotency_key),
        }

    def own(self) -> dict[str, Any]:
        """The arguments that are its own among several."""
        key = self.idempotency_key
        return {"name": self.name, **({"idempotency_key": key} if key else {})}

    def private_key(self) -> str:
        """The file of the private key: that of `--key` if it is one, else the first of `~/.ssh`."""
        return str(login_key(self.key_file)).removesuffix(".pub")

    @property
    def key_file(self) -> Path | None:
        """The file that `--key` names; None if it is the name of a registered key."""
        if self.key is None:
            return None
        file = Path(self.key).expanduser()
        is_path = file.name != self.key or file.suffix == ".pub" or file.is_file()
        return file if is_path else None

    def _login(self, driver: NodeDriver) -> dict[str, Any]:
        """The argument for the key, from its file or by the name under which the account has it."""
        if self.key is None:
            return {}
        if (file := self.key_file) is not None:
            return {"auth": NodeAuthSSHKey(public_key(file))}
        try:
            pair = finding.find(driver, KEYS, self.key)
        except NotFoundError as error:
            error.add_note(f"nor is there a file {self.key}")
            raise
        if "key" in driver.create_names:
            return extras.usual(driver, "key", [KEYS.id(pair)])
        return {"auth": NodeAuthSSHKey(require_public_key(pair.public_key or ""))}

    def several(self) -> list[Self]:
        """Orders of `count` such nodes: `NAME-1`, `NAME-2` and so on; the order itself if it is of one."""
        if self.count == 1:
            return [self]
        key = self.idempotency_key
        return [
            replace(self, name=f"{self.name}-{at}", count=1, idempotency_key=key and f"{key}-{at}")
            for at in range(1, self.count + 1)
        ]


def merged(*parts: dict[str, Any]) -> dict[str, Any]:
    """One dict of these, dicts of the same name joined. Raises `InvalidArgumentError` for other twins."""
    found: dict[str, Any] = {}
    for name, value in (item for part in parts for item in part.items()):
        if name in found and not (isinstance(value, dict) and isinstance(found[name], dict)):
            raise InvalidArgumentError(f"{name} was given twice: by --set and by an option of its own")
        found[name] = {**found[name], **value} if name in found else value
    return found


def _text(what: str, file: Path | None) -> str | None:
    """The text in a file."""
    if file is None:
        return None
    try:
        return file.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise InvalidArgumentError(f"the file of {what} {file} cannot be read: {why}") from None


def describe(driver: NodeDriver, arguments: dict[str, Any]) -> str:
    """Describe an order."""
    nouns = {"size": SIZES, "image": IMAGES, "location": LOCATIONS}
    parts = [nouns[name].title(item) for name, item in arguments.items() if name in nouns]
    hidden = ("name", "auth", "user_data", *nouns)
    more = [f"{name} {cell(value)}" for name, value in arguments.items() if name not in hidden]
    return f"the node {arguments['name']} at {driver.name}: {', '.join([*parts, *more])}"


def login_key(key: Path | None) -> Path:
    """The file of the key for logging in: this one, or the first of `~/.ssh`."""
    if key is not None:
        return key
    folder = Path("~/.ssh").expanduser()
    found = next((folder / name for name in USUAL_KEYS if (folder / name).is_file()), None)
    if found is None:
        raise InvalidArgumentError(f"there is no SSH key in {folder}; give --key FILE")
    return found


def public_key(file: Path) -> str:
    """The public key from a file, from the .pub file beside it, or of the private key in it."""
    file = file.expanduser()
    beside = file.with_name(f"{file.name}.pub")
    try:
        text = (beside if beside.is_file() else file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise InvalidArgumentError(f"the key file {file} cannot be read: {why}") from None
    if "PRIVATE KEY" in text:
        return public_half(file, text)
    return require_public_key(text)


def public_half(file: Path, private: str) -> str:
    """The public key of the private key in a file. Raises `InvalidArgumentError` if it cannot be read."""
    try:
        import asyncssh
    except ImportError:
        raise InvalidArgumentError(
            f"{file.name}.pub is missing beside {file}; creating it requires: pip install 'polycloud[deploy]'"
        ) from None
    try:
        return asyncssh.import_private_key(private).export_public_key().decode().strip()
    except (ValueError, asyncssh.Error) as error:
        raise InvalidArgumentError(f"the key file {file} cannot be used: {error}") from None


def steps(script: Path | None, files: Sequence[str], *, sudo: bool = False) -> MultiStepDeployment:
    """The steps of a deployment: first the files, then the script; with `sudo` as root."""
    found: list[Deployment] = [_file(text, sudo=sudo) for text in files]
    if script is not None:
        found.append(ScriptFileDeployment(str(script), delete=True, sudo=sudo))
    if not found:
        raise InvalidArgumentError("nothing to deploy: give --script FILE or --file SRC:DST")
    return MultiStepDeployment(found)


def describe_steps(script: Path | None, files: Sequence[str]) -> str:
    """Describe these steps."""
    return ", ".join([*(f"copy {text}" for text in files), *([] if script is None else [f"run {script}"])])


def _file(text: str, *, sudo: bool) -> FileDeployment:
    source, _, target = text.rpartition(":")
    if not source or not target:
        raise InvalidArgumentError(f"--file must be SRC:DST, such as app.conf:/etc/app.conf, got {text!r}")
    return FileDeployment(source, target, sudo=sudo)


def _chosen(
    driver: NodeDriver, noun: Noun, name: str | None, there: Sequence[NodeLocation]
) -> dict[str, Any]:
    """The argument for a size or an image; nothing where none is given, and the driver needs none."""
    if name is not None:
        return {noun.one: finding.choose(driver, noun, name, *there)}
    if signature(driver.create_node).parameters[noun.one].default is Parameter.empty:
        raise InvalidArgumentError(
            f"{driver.name} needs --{noun.one}; polycloud {noun.many} list has the {noun.many}"
        )
    return {}
