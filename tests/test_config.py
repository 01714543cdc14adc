from __future__ import annotations

import contextlib
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked

import polycloud
from polycloud import config
from polycloud.compute.drivers.digitalocean import DigitalOceanNodeDriver
from polycloud.compute.drivers.nephoscale import NephoscaleNodeDriver
from polycloud.concurrency.calls import call_options
from polycloud.config import ConfigError, ConfigWarning, secrets
from polycloud.config.settings import OPTIONS
from polycloud.dns.drivers.dummy import DummyDNSDriver
from polycloud.errors import InvalidArgumentError, PolycloudError, UnknownProviderError
from polycloud.sandbox import Sandbox
from support.clock import ends_within

Write = Callable[[str], Path]
SECRET = "hunter2-is-secret"
TABLE = "password: a table must be one of { env = ... }"
LAB = '[profiles.lab]\nprovider = "nephoscale"\nuser = "me"\n'


class Vault(KeyringBackend):
    """A keyring with one password; locked for the service "locked"."""

    priority: ClassVar[Any] = 1

    def __init__(self) -> None: ...

    def get_password(self, service: str, username: str) -> str | None:
        if service == "locked":
            raise KeyringLocked("the vault is locked")
        return SECRET if (service, username) == ("cloud", "me") else None

    def set_password(self, service: str, username: str, password: str) -> None:
        raise NotImplementedError

    def delete_password(self, service: str, username: str) -> None:
        raise NotImplementedError


@pytest.fixture(autouse=True)
def _nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith(("POLYCLOUD_", "DIGITALOCEAN_", "DO_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", "/nowhere")


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes the configuration."""

    def write_it(text: str) -> Path:
        file = tmp_path / "config.toml"
        file.write_bytes(text.encode("latin-1"))
        file.chmod(0o600)
        monkeypatch.setenv("POLYCLOUD_CONFIG", str(file))
        return file

    return write_it


@pytest.fixture
def vault() -> Iterator[None]:
    before = keyring.get_keyring()
    keyring.set_keyring(Vault())
    yield
    keyring.set_keyring(before)


def refused(**how: Any) -> str:
    """The message with which `connect` refuses the profile `lab`."""
    with pytest.raises(ConfigError) as caught:
        polycloud.connect(profile="lab", **how)
    assert SECRET not in repr(caught.value) + str(caught.value)
    return str(caught.value)


# Profiles


def test_a_profile_is_a_driver_with_its_options(write: Write) -> None:
    """A profile gives its provider's driver, with its credentials and its options."""
    write(f'{LAB}password = "{SECRET}"\nurl = "https://cloud.example:8443"\ntimeout = [3, 7]\nregion = "r"\n')
    driver = polycloud.connect(profile="lab")
    assert isinstance(driver, NephoscaleNodeDriver)
    assert (driver.key, driver.secret, driver.region) == ("me", SECRET, "r")
    assert (driver.connection.host, driver.connection.port) == ("cloud.example", 8443)
    assert (driver.connection.connect_timeout, driver.connection.timeout) == (3, 7)


def test_a_profile_reaches_its_cloud(write: Write) -> None:
    """A profile of a running cloud lists its nodes."""
    with Sandbox("nephoscale", seed_nodes=1, ssh="off") as cloud:
        user, password = cloud.credentials
        write(
            f'[profiles.lab]\nprovider = "nephoscale"\nuser = "{user}"\npassword = "{password}"\n'
            f'url = "{cloud.url}"'
        )
        with polycloud.connect(profile="lab") as driver:
            assert [node.name for node in driver.list_nodes()] == ["seed-1"]


def test_options_of_the_call_go_first(write: Write) -> None:
    """An option of `connect` goes before the profile's."""
    write(f'{LAB}password = "{SECRET}"\ntimeout = 30\n')
    assert polycloud.connect(profile="lab", timeout=5).connection.timeout == 5


@pytest.mark.parametrize("odd", [1, True, b"lab", ["lab"], object()])
def test_a_profile_that_is_no_name(write: Write, odd: Any) -> None:
    """What is not the name of a profile is refused by its type."""
    write(f'{LAB}password = "{SECRET}"\n')
    with pytest.raises(ConfigError, match=f"profile must be the name of a profile, got {type(odd).__name__}"):
        polycloud.connect(profile=odd)


def test_a_credential_too_many(write: Write) -> None:
    """A credential too many is not repeated in the error, nor one in the place of an API's version."""
    with pytest.raises(InvalidArgumentError) as caught:
        polycloud.connect("nephoscale", "user", SECRET, SECRET)
    assert str(caught.value) == "secure must be True or False, got a str"
    file = write(f'[profiles.p]\nprovider = "digitalocean"\ntoken = "x"\napi_version = "{SECRET}"\n')
    with pytest.raises(ConfigError) as wrong:
        polycloud.connect(profile="p")
    assert str(wrong.value).startswith(f"{file}: profiles.p: ")
    assert SECRET not in str(wrong.value)


def test_which_profile(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a name: that of POLYCLOUD_PROFILE, else the default, else the only one, else an error."""
    tables = "".join(f'[profiles.{name}]\nprovider = "dummy"\nkey = "{name}"\n' for name in "abc")
    write('default = "b"\n' + tables)
    assert polycloud.connect(profile="c").creds == "c"
    assert polycloud.connect().creds == "b"
    monkeypatch.setenv("POLYCLOUD_PROFILE", "a")
    assert polycloud.connect().creds == "a"
    monkeypatch.setenv("POLYCLOUD_PROFILE", "")
    write(tables)
    with pytest.raises(ConfigError, match=r"which profile\? there are in .*config.toml: a, b, c"):
        polycloud.connect()
    write('[profiles.only]\nprovider = "dummy"\nkey = "x"\n')
    assert polycloud.connect().creds == "x"
    write("")
    with pytest.raises(ConfigError, match=r"which profile\? there is none yet; write .* into .*config.toml"):
        polycloud.connect()


def test_a_profile_for_one_service(write: Write) -> None:
    """A profile with a service makes drivers of that service by default, and no others."""
    file = write(
        '[profiles.lab]\nprovider = "dummy"\nservice = "dns"\nkey = "x"\n[profiles.b]\nprovider = "dummy"\n'
    )
    assert isinstance(polycloud.connect(profile="lab"), DummyDNSDriver)
    assert isinstance(polycloud.connect(profile="lab", service="dns"), DummyDNSDriver)
    assert refused(service="compute") == f"{file}: profiles.lab.service: it is for dns, not for compute"
    of_service = config.load().of_service
    assert [one.name for one in of_service("compute")] == ["b"]
    assert [one.name for one in of_service("dns")] == [one.name for one in of_service(None)] == ["lab", "b"]
    write('[profiles.lab]\nprovider = "dummy"\nservice = "toys"\n')
    assert ".service must be one of compute, storage, loadbalancer, dns" in refused()


def test_an_unknown_profile(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is no profile's gives the nearest names, or all."""
    write('[profiles.production]\nprovider = "dummy"\n[profiles.lab]\nprovider = "dummy"\n')
    with pytest.raises(ConfigError, match=r"'producton' in .*config.toml; the nearest are production$"):
        polycloud.connect(profile="producton")
    monkeypatch.setenv("POLYCLOUD_PROFILE", "xyz")
    named = r"'xyz', which POLYCLOUD_PROFILE names; there are in .*: production, lab$"
    with pytest.raises(ConfigError, match=named):
        polycloud.connect()
    monkeypatch.delenv("POLYCLOUD_PROFILE")
    write('default = "xyz"\n[profiles.lab]\nprovider = "dummy"\n')
    with pytest.raises(ConfigError, match=r"no profile is called that, the default; there are in .*: lab$"):
        polycloud.connect()


def test_where_the_file_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The file is that of POLYCLOUD_CONFIG, else below XDG_CONFIG_HOME, else below ~/.config."""
    monkeypatch.setenv("POLYCLOUD_CONFIG", "~/my.toml")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert config.config_file() == tmp_path / "my.toml"
    monkeypatch.delenv("POLYCLOUD_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/etc/xdg")
    assert config.config_file() == Path("/etc/xdg/polycloud/config.toml")
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert config.config_file() == tmp_path / ".config/polycloud/config.toml"
    assert config.profiles() == {}


def test_a_file_that_is_named_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that POLYCLOUD_CONFIG names and that does not exist is an error."""
    monkeypatch.setenv("POLYCLOUD_CONFIG", "/nowhere/c.toml")
    with pytest.raises(ConfigError, match=r"POLYCLOUD_CONFIG names /nowhere/c.toml, which does not exist"):
        config.profiles()


def test_a_file_that_others_can_read(write: Write) -> None:
    """A file that others can read is read, with one warning that says what to do."""
    file = write('[profiles.lab]\nprovider = "dummy"\nkey = "x"\n')
    file.chmod(0o640)
    with pytest.warns(ConfigWarning) as caught:
        polycloud.connect(profile="lab")
    assert [str(warning.message) for warning in caught] == [f"others can read {file}: chmod 600 {file}"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[profiles.lab\n", r"config.toml: .*\(at line 1, column 14\)"),
        ('a = 1\n\n[profiles.lab]\nx = "\xff"\n', r"it is not UTF-8 \(at line 4, column 6\)"),
        (f"a = {'[' * 5000}\n", "it is nested too deep"),
        ("profiles = 3\n", r"profiles must be a table; write \[profiles.NAME\]"),
        ("[profile.lab]\n", r"no 'profile'; did you mean 'profiles'\?"),
        ("zzz = 1\n", r"no 'zzz'; there are default and profiles"),
        ("default = 3\n", r"default must be the name of a profile, got an integer"),
        (
            "[profiles]\nlab = 3\n",
            r"profiles.lab must be a table, got an integer; write \[profiles.lab\]",
        ),
        ("[profiles.lab]\n", r"profiles.lab names no provider; write provider = \"NAME\" there$"),
        ("[profiles.lab]\n\nx = " + "9" * 100_000, r"a number must have at most 19 digits \(at line 3\)"),
        ("[profiles.lab]\nx" + ".x" * 20_000 + " = 1", r"it is nested too deep \(at line 2\)"),
        ("[profiles.lab]\n'x'" + " . 'x'" * 20_000 + " = 1", r"it is nested too deep \(at line 2\)"),
        ("x = " + "{a=" * 5000, "it is nested too deep"),
        ('x = "a\0b"\n', r"'\\x00' \(at line 1, column 7\)"),
        ("default = 'a'\ndefault = 'b'\n", "Cannot overwrite a value"),
        ("#" * 1_000_001, "cannot be read: it is longer than 1,000,000 bytes"),
        (f'[profiles.lab]\nprovider = "{SECRET}"\n', r"profiles.lab.provider: no provider is called that"),
        (f'[profiles.lab]\nprovider = "dummy"\nservice = "{SECRET}"\n', "service must be one of compute"),
        (f'default = "{SECRET}"\n[profiles.a]\nprovider = "dummy"\n', "no profile is called"),
        ("[profiles.lab]\nprovidr = 1\n", r"names no provider; did you mean provider by 'providr'\?"),
        (
            "[profiles.lab]\nprovider = 3\n",
            r"profiles.lab.provider must be a string, got an integer",
        ),
        (
            '[profiles.lab]\nprovider = "nephoscal"\n',
            r"profiles.lab.provider: no provider is called 'nephoscal'; the nearest names: nephoscale",
        ),
    ],
)
def test_a_file_that_cannot_be_used(write: Write, text: str, said: str) -> None:
    """What is wrong in a file is told with the file and the place in it."""
    file = write(text)
    with ends_within(20), pytest.raises(ConfigError, match=said) as caught:
        polycloud.connect(profile=None if "default" in text else "lab")
    assert str(file) in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_byte_order_mark(write: Write) -> None:
    """A mark before the text, as editors on Windows write it, is no part of it."""
    write('\xef\xbb\xbf[profiles.lab]\r\nprovider = "dummy"\r\nkey = "x"\r\n')
    assert polycloud.connect(profile="lab").creds == "x"


def test_a_fifo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A FIFO in the place of the file is refused at once, not waited for."""
    os.mkfifo(tmp_path / "fifo")
    monkeypatch.setenv("POLYCLOUD_CONFIG", str(tmp_path / "fifo"))
    with ends_within(10), pytest.raises(ConfigError, match="fifo cannot be read: it is no regular file"):
        config.profiles()


@pytest.mark.parametrize("name", OPTIONS)
def test_a_secret_in_the_wrong_place(write: Write, name: str) -> None:
    """No error shows a text that stands at an option, since it may be the secret, however long it is."""
    for secret in (SECRET, f"{SECRET}?/#" + "x" * 300):
        for value in (f'"{secret}"', f'["{secret}", "{secret}"]'):
            write(f'[profiles.lab]\nprovider = "ec2"\nkey = "k"\nsecret = "s"\n{name} = {value}\n')
            with contextlib.suppress(PolycloudError):
                polycloud.connect(profile="lab")
                continue
            with pytest.raises(PolycloudError) as caught:
                polycloud.connect(profile="lab")
            assert SECRET not in "".join(traceback.format_exception(caught.value)) + repr(caught.value.args)


def test_a_home_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file below the home of nobody is an error that says so."""
    monkeypatch.setenv("POLYCLOUD_CONFIG", "~nobody-at-all/c.toml")
    with pytest.raises(ConfigError, match=r"~nobody-at-all/c.toml: .*home"):
        config.profiles()


def test_a_file_that_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder in the place of the file is an error that names it."""
    monkeypatch.setenv("POLYCLOUD_CONFIG", str(tmp_path))
    with pytest.raises(ConfigError, match=f"{tmp_path} cannot be read: Is a directory"):
        config.profiles()


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("password = 5", "password: it must be a string, got an integer"),
        ("password = true", "password: it must be a string, got true or false"),
        ('password = ""', "password: it must not be empty"),
        (f'password = ["{SECRET}"]', "password: it must be a string, got a list"),
        (f'port = "{SECRET}"', "port: it must be an integer, got a string"),
        ("port = true", "port: it must be an integer, got true or false"),
        ("port = 1.5", "port: it must be an integer, got a number"),
        ('secure = "yes"', "secure: it must be true or false, got a string"),
        ("host = 5", "host: it must be a string, got an integer"),
        ('timeout = "5"', "timeout: it must be a number or a list, got a string"),
        ("timeout = [5]", "timeout: it must be a pair, got a list of 1"),
        (f'timeout = [5, "{SECRET}"]', "timeout: it must be a number, got a string"),
        ("client_cert = [1, 2]", "client_cert: it must be a string, got an integer"),
        ("user_agent_append = [5]", "user_agent_append: it must be a string, got an integer"),
        ("timeout = -1", "lab: timeout must be a number of seconds above 0, got -1"),
        (f"pool_size = 0x{'f' * 5000}", "pool_size: it must be an integer of 64 bits"),
        ("ex_odd = 9223372036854775808", "ex_odd: it must be an integer of 64 bits"),
        (f'password = {{ command = "{SECRET}" }}', "password: the command cannot be run: No such file"),
        ('password = { env = "AKIAIOSFODNN7EXAMPLE" }', "the environment has no variable of that name"),
        ("pool_size = 0", "lab: pool_size must be an int from 1 to 10000, got 0"),
        ("proxy_url = 5", "proxy_url: it must be a string, got an integer"),
        ("tiemout = 5", "lab: NephoscaleNodeDriver has no option 'tiemout'; did you mean 'timeout'?"),
        ("retry = 5", "retry: it cannot be set in a file"),
        ('transport = "x"', "transport: it cannot be set in a file"),
        ("region = 1979-05-27", "region: it must be a string, got a date"),
        (f'password = {{ evn = "{SECRET}" }}', TABLE),
        (
            f'password = {{ env = "A", command = "{SECRET}" }}',
            "password: a table must be one of { env = ... }",
        ),
        ("password = {}", TABLE),
        ("password = { env = 5 }", "password: env must be the name of a variable"),
        ('password = { env = "NOT_THERE" }', "password: the environment has no NOT_THERE"),
        (
            f'password = {{ env = "{SECRET}" }}',
            "the environment has no variable of that name",
        ),
        (
            f'password = {{ command = "KEY={SECRET} show" }}',
            "password: the command cannot be run: No such file",
        ),
        ("password = { keyring = 5 }", 'password: keyring must be ["SERVICE", "USER"]'),
        ('password = { keyring = ["a"] }', 'password: keyring must be ["SERVICE", "USER"]'),
        ("password = { command = 5 }", "password: command must be a string or a list of words"),
        ("password = { command = [] }", "password: command must be a string or a list of words"),
        ('password = { command = ["a", 5] }', "password: command must be a string or a list of words"),
        ("password = { command = '\"a' }", "password: command cannot be split into words: No closing"),
        (
            'password = { command = "/no/such" }',
            "password: the command cannot be run: No such file",
        ),
        ('password = { command = "a\\u0000b" }', "cannot be run: embedded null byte"),
        ('password = { command = "true" }', "password: the command returned nothing"),
    ],
)
def test_a_setting_that_cannot_be_used(write: Write, setting: str, said: str) -> None:
    """What is wrong with a setting is told with file, profile and setting, and without its value."""
    more = "" if setting.startswith("password") else f'password = "{SECRET}"\n'
    file = write(f"{LAB}{more}{setting}\n")
    message = refused()
    assert message.startswith(f"{file}: profiles.lab")
    assert said in message


# Secrets


def test_a_secret_of_the_environment(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """`{ env = NAME }` is the variable's value."""
    monkeypatch.setenv("MY_SECRET", SECRET)
    write(LAB + 'password = { env = "MY_SECRET" }\n')
    assert polycloud.connect(profile="lab").secret == SECRET


@pytest.mark.parametrize(
    "command",
    [f'"echo {SECRET}"', f'["echo", "{SECRET}"]', f'"printf %s {SECRET}"', f"'printf \"{SECRET}\\r\\n\"'"],
)
def test_a_secret_of_a_command(write: Write, command: str) -> None:
    """`{ command = ... }` is what the command prints, without its last line break."""
    write(f"{LAB}password = {{ command = {command} }}\n")
    assert polycloud.connect(profile="lab").secret == SECRET


def test_a_command_reads_nothing(write: Write) -> None:
    """A command that reads its input finds the end of it: it cannot wait for an answer that nobody gives."""
    write(f"{LAB}password = {{ command = \"sh -c 'read it || echo {SECRET}'\" }}\n")
    assert polycloud.connect(profile="lab").secret == SECRET


def test_a_command_that_fails(write: Write) -> None:
    """A command that fails is told with its status, and with nothing that it printed, on stderr neither."""
    write(f"{LAB}password = {{ command = \"sh -c 'echo {SECRET}; echo {SECRET} >&2; exit 3'\" }}\n")
    assert refused().endswith("password: the command 'sh' ended with 3; run it yourself to see why")


def test_a_command_that_floods(write: Write) -> None:
    """A command that prints more than a secret can have is ended, without its output."""
    write(f'{LAB}password = {{ command = "yes {SECRET}" }}\n')
    with ends_within(20):
        assert refused().endswith("password: the command 'yes' printed more than 100,000 bytes")


def test_a_command_that_leaves_a_process(write: Write) -> None:
    """A command has ended when its program has, although a process that it started keeps its output open."""
    write(f"{LAB}password = {{ command = \"sh -c 'echo {SECRET}; sleep 25 &'\" }}\n")
    with ends_within(15):
        assert polycloud.connect(profile="lab").secret == SECRET


def test_a_command_that_prints_no_text(write: Write) -> None:
    """Bytes that are no text are no secret."""
    write(f"{LAB}password = {{ command = 'printf \"\\377\"' }}\n")
    assert refused().endswith("password: the output of the command 'printf' must be UTF-8")


def test_a_command_that_hangs(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that does not end is ended, whoever else still holds what it prints to."""
    monkeypatch.setattr(secrets, "SECRET_TIMEOUT", 0.2)
    write(f"{LAB}password = {{ command = \"sh -c 'sleep 30; echo {SECRET}'\" }}\n")
    began = time.monotonic()
    assert refused().endswith("password: the command 'sh' did not end within 0.2 s")
    assert time.monotonic() - began < 20, "it waited for the sleep"


def test_a_command_has_until_the_deadline(write: Write) -> None:
    """The deadline of `call_options` holds for commands too."""
    write(f"{LAB}password = {{ command = 'sleep 30' }}\n")
    with call_options(deadline=0.2):
        assert "did not end within 0." in refused()


def test_a_secret_of_the_keyring(write: Write, vault: None) -> None:
    """`{ keyring = [service, user] }` is the password that the system's keyring has."""
    write(LAB + 'password = { keyring = ["cloud", "me"] }\n')
    assert polycloud.connect(profile="lab").secret == SECRET


@pytest.mark.parametrize(
    ("service", "said"),
    [
        ("cloud2", "password: the system's keyring has no password of that user for that service"),
        ("locked", "password: the system's keyring cannot be used: the vault is locked"),
    ],
)
def test_a_keyring_without_the_secret(write: Write, vault: None, service: str, said: str) -> None:
    """A missing entry, or a locked keyring, is an error that says so."""
    write(f'{LAB}password = {{ keyring = ["{service}", "me"] }}\n')
    assert refused().endswith(said)


def test_secrets_are_looked_up_when_wanted(write: Write) -> None:
    """Reading the profiles runs no command, and a representation shows no setting."""
    write(f'{LAB}password = {{ command = "/no/such" }}\nproxy_url = "http://u:{SECRET}@proxy"\n')
    assert SECRET not in repr(config.load())
    assert "no/such" not in repr(config.profiles())


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (SECRET, "set here"),
        ({"env": "MY_SECRET"}, "env MY_SECRET"),
        ({"env": SECRET}, "env variable of that name"),
        ({"command": f"sh {SECRET}"}, "command 'sh'"),
        ({"command": ["sh", SECRET]}, "command 'sh'"),
        ({"command": SECRET}, "command"),
        ({"command": f"KEY={SECRET} sh"}, "command"),
        ({"keyring": ["cloud", "me"]}, "keyring cloud me"),
        ({}, "nowhere: the table cannot be used"),
        ({"evn": SECRET}, "nowhere: the table cannot be used"),
        ({"env": 5}, "nowhere: the table cannot be used"),
        ({"command": "'"}, "nowhere: the table cannot be used"),
        ({"env": SECRET, "command": SECRET}, "nowhere: the table cannot be used"),
    ],
)
def test_where_a_secret_is(value: Any, told: str) -> None:
    """The place of a secret is told without the secret, whatever stands there."""
    assert config.source_of(value) == told


def test_a_driver_shows_no_secret(write: Write) -> None:
    """The driver of a profile does not show the secret either."""
    write(f'{LAB}password = "{SECRET}"\n')
    assert SECRET not in repr(polycloud.connect(profile="lab"))


def test_profiles_connect_on_threads(write: Write) -> None:
    """Threads may connect the same profile at the same time."""
    write(f'{LAB}password = {{ command = "echo {SECRET}" }}\n')
    profile, found = config.load().profile("lab"), []
    threads = [threading.Thread(target=lambda: found.append(profile.connect().secret)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [SECRET] * 4


# The environment


def test_the_providers_own_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials they are those of the environment; POLYCLOUD_PROVIDER_NAME goes first."""
    monkeypatch.setenv("DIGITALOCEAN_TOKEN", "usual")
    driver = polycloud.connect("digitalocean")
    assert isinstance(driver, DigitalOceanNodeDriver)
    assert driver.key == "usual"
    monkeypatch.setenv("POLYCLOUD_DIGITALOCEAN_TOKEN", SECRET)
    assert polycloud.connect("digitalocean", timeout=5).key == SECRET
    monkeypatch.setenv("POLYCLOUD_DIGITALOCEAN_TOKEN", "")
    assert polycloud.connect("digitalocean").key == "usual"


def test_a_profile_without_credentials(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile that has no credential at all takes those of the environment; one that has some does not."""
    monkeypatch.setenv("POLYCLOUD_NEPHOSCALE_USER", "you")
    monkeypatch.setenv("POLYCLOUD_NEPHOSCALE_PASSWORD", SECRET)
    write('[profiles.lab]\nprovider = "nephoscale"\ntimeout = 5\n')
    assert polycloud.connect(profile="lab").key == "you"
    write(LAB)
    assert "profiles.lab lacks password, which NephoScale needs; write it there" in refused()
    write('[profiles.lab]\nprovider = "nephoscale"\nuser = "me"\npasswrd = "x"\n')
    assert "lacks password, which NephoScale needs (it has passwrd); write it there" in refused()


def test_missing_credentials() -> None:
    """Where the environment lacks one, the error names all variables that are looked at."""
    with pytest.raises(ConfigError) as caught:
        polycloud.connect("nephoscale")
    assert str(caught.value) == (
        "NephoScale needs user, password: give them, set POLYCLOUD_NEPHOSCALE_USER and "
        "POLYCLOUD_NEPHOSCALE_PASSWORD, or use a profile"
    )
    with pytest.raises(ConfigError, match=r"^DigitalOcean needs token: give it, set POLYCLOUD_"):
        polycloud.connect("digitalocean")


def test_forms_of_connect() -> None:
    """`connect` takes a provider with credentials, or a profile: not both, and no credentials alone."""
    assert polycloud.connect("nephoscale", "me", SECRET, service="compute").secret == SECRET
    for provider, credentials, profile in (("dummy", (), "lab"), (None, ("x",), None)):
        with pytest.raises(ConfigError, match="not both"):
            polycloud.connect(provider, *credentials, profile=profile)
    with pytest.raises(UnknownProviderError, match="nearest names: nephoscale"):
        polycloud.connect("nephoscal", "x")
    with pytest.raises(InvalidArgumentError, match="no service is called 'storaje'"):
        polycloud.connect("dummy", "x", service="storaje")


def test_a_config_error_is_one_of_ours() -> None:
    """A `ConfigError` is a `PolycloudError`."""
    assert issubclass(ConfigError, PolycloudError)


def test_a_driver_that_finds_its_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EC2 needs no credentials of ours: it reads AWS' own files, with a profile of ours and without one."""
    aws = tmp_path / "credentials"
    aws.write_text("[default]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = wJalr\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(aws))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "config.toml"
    file.write_text('[profiles.cloud]\nprovider = "ec2"\nregion = "eu-west-1"\n')
    file.chmod(0o600)
    monkeypatch.setenv("POLYCLOUD_CONFIG", str(file))
    for driver in (polycloud.connect("ec2"), polycloud.connect(profile="cloud")):
        with driver:
            assert driver.connection.credentials.access_key == "AKIDEXAMPLE"
