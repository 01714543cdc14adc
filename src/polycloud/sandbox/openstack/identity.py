"""Keystone's users, projects and tokens, which all regions share."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from polycloud.sandbox.clouds import Clock
from polycloud.sandbox.openstack.layout import Layout
from polycloud.sandbox.openstack.settings import OpenStackSettings
from polycloud.sandbox.rest.collection import Item
from polycloud.sandbox.rest.errors import NotFoundError, UnauthorizedError
from polycloud.sandbox.rest.replies import Json

DOMAIN = {"id": "default", "name": "Default"}
DATE = "%Y-%m-%dT%H:%M:%S.%fZ"


def new_id() -> str:
    """Return an id as Keystone makes them."""
    return uuid.uuid4().hex


@dataclass(frozen=True)
class Token:
    """What a token permits.

    Attributes:
        id: the secret.
        user: whose it is.
        methods: how it was obtained.
        roles: the names of the user's roles in the scope.
        scope: "project", "domain", "system" or "unscoped".
        project: the project of that scope.
        issued: when it was issued, in seconds since 1970.
        expires: when it expires.
        audit: the ids of it and of the token from which it was made.
        credential: the application credential with which it was obtained.
    """

    id: str = field(repr=False)
    user: Item
    methods: tuple[str, ...]
    roles: tuple[str, ...]
    scope: str
    project: Item | None
    issued: float
    expires: float
    audit: tuple[str, ...]
    credential: Item | None

    @property
    def is_admin(self) -> bool:
        """Whether it may do everything."""
        return "admin" in self.roles

    @property
    def project_id(self) -> str:
        """The id of its project; empty without one."""
        return self.project.id if self.project else ""


class Identity:
    """The users, projects, roles and application credentials of a cloud, and its tokens.

    Args:
        settings: the cloud's settings.
        clock: seconds that never run backwards.
        layout: what is particular to the cloud.
    """

    def __init__(self, settings: OpenStackSettings, clock: Clock, layout: Layout) -> None:
        self.layout = layout
        self._clock = clock
        self._epoch = time.time() - clock()
        self._lifetime = settings.token_lifetime
        self.projects = {
            key: Item(id=key, name=name) for name, key in ((name, new_id()) for name in ("admin", "demo"))
        }
        admin, demo = self.projects.values()
        self.roles = {name: new_id() for name in ("admin", "manager", "member", "reader")}
        users = [
            Item(id=new_id(), name="admin", password=settings.password, project=None),
            Item(id=new_id(), name="demo", password=settings.password, project=demo),
        ]
        self.users = {user.id: user for user in users}
        self._grants = {
            (users[0].id, admin.id): tuple(self.roles),
            (users[0].id, "system"): tuple(self.roles),
            (users[0].id, DOMAIN["id"]): tuple(self.roles),
            (users[1].id, demo.id): ("member", "reader"),
        }
        self.credentials: dict[str, Item] = {}
        self.tokens: dict[str, Token] = {}

    @property
    def now(self) -> float:
        """Seconds since 1970."""
        return self._epoch + self._clock()

    def stamp(self, seconds: float | None = None) -> str:
        """Return a time as Keystone writes dates; by default the present."""
        return self.date(self.now if seconds is None else seconds, DATE)

    @staticmethod
    def date(seconds: float, form: str) -> str:
        """Return seconds since 1970 as a date in a format."""
        return datetime.fromtimestamp(seconds, UTC).strftime(form)

    @property
    def owner(self) -> Item:
        """The project that owns what is there for all."""
        return next(iter(self.projects.values()))

    def home(self, user: Item) -> Item:
        """Return the project in which a user works."""
        projects = self.projects_of(user)
        return next((one for one in projects if one.name == user.name), projects[0])

    def projects_of(self, user: Item) -> list[Item]:
        """Return the projects in which a user has roles."""
        return [project for project in self.projects.values() if (user.id, project.id) in self._grants]

    def roles_of(self, user: Item, target: str) -> tuple[str, ...]:
        """Return the names of a user's roles in a project, a domain or "system". Raises UnauthorizedError."""
        roles = self._grants.get((user.id, target))
        if not roles:
            raise UnauthorizedError
        return roles

    def token(self, id: str | None) -> Token | None:
        """Return a token that is valid; None if it is unknown or has expired."""
        token = self.tokens.get(id or "")
        return token if token and token.expires > self.now else None

    def need(self, id: str) -> Token:
        """Return a token that is valid. Raises NotFoundError."""
        token = self.token(id)
        if token is None:
            raise NotFoundError("Could not recognize Fernet token")
        return token

    def issue(
        self,
        user: Item,
        methods: Iterable[str],
        scope: str,
        target: Item | None,
        parent: Token | None = None,
        credential: Item | None = None,
    ) -> Token:
        """Issue a token.

        Args:
            user: for whom.
            methods: how the user has proved that.
            scope: "project", "domain", "system" or "unscoped".
            target: the project.
            parent: the token with which it was obtained: the new one expires with it.
            credential: the application credential with which it was obtained.

        Raises:
            UnauthorizedError: the user has no role there.
        """
        targets = {"domain": DOMAIN["id"], "system": "system"}
        roles = self.roles_of(user, target.id if target else targets[scope]) if scope != "unscoped" else ()
        now = self.now
        token = Token(
            id="gAAAAAB" + secrets.token_urlsafe(96),
            user=user,
            methods=tuple(methods),
            roles=roles,
            scope=scope,
            project=target,
            issued=now,
            expires=parent.expires if parent else now + self._lifetime,
            audit=(secrets.token_urlsafe(16), *(parent.audit[:1] if parent else ())),
            credential=credential,
        )
        self.tokens[token.id] = token
        return token

    def revoke(self, id: str) -> None:
        """Revoke a token. Raises NotFoundError if there is none."""
        del self.tokens[self.need(id).id]

    def revoke_all(self, user: Item) -> None:
        """Revoke all tokens of a user."""
        self.tokens = {key: token for key, token in self.tokens.items() if token.user is not user}

    def show_roles(self, names: Iterable[str]) -> list[Json]:
        """Render roles."""
        return [{"id": self.roles[name], "name": name} for name in names]
