"""Policy: rules in oslo.policy's language, declared by the services, overridden by the operator's policy.yaml."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from oslo_policy import policy as oslo

from cloudd.kit.auth import Context
from cloudd.kit.errors import Forbidden
from cloudd.kit.settings import SettingsError

#: The rules that every service's own rules are written with.
COMMON = {
    "admin": "role:admin",
    "manager": "role:admin or role:manager",
    "member": "role:admin or role:member",
    "reader": "role:admin or role:reader",
    "any": "@",
    "nobody": "!",
}


class Policy:
    """Decides whether a context may do what a rule names."""

    def __init__(self, defaults: Mapping[str, str], override_path: str | None = None) -> None:
        texts = {**COMMON, **defaults}
        if override_path is not None:
            overrides = yaml.safe_load(Path(override_path).read_text()) or {}
            for name in overrides:
                if name not in texts:
                    close = difflib.get_close_matches(name, list(texts), n=1)
                    raise SettingsError(f"{override_path}: unknown rule {name!r}" + (f"; did you mean {close[0]!r}?" if close else ""))
            texts.update(overrides)
        self.texts = texts
        self.rules = oslo.Rules.from_dict(texts)

    def allows(self, rule: str, ctx: Context, target: Mapping[str, Any] | None = None) -> bool:
        """``target`` holds what the rule may compare with, such as project_id; by default the caller's own project."""
        credentials = {
            "roles": list(ctx.roles),
            "user_id": ctx.user_id,
            "project_id": ctx.project_id,
            "domain_id": ctx.domain_id,
            "system_scope": "all" if ctx.system_scope else None,
        }
        check = self.rules[rule]  # an unknown rule is a fault of ours: KeyError
        return bool(check(dict(target or {"project_id": ctx.project_id}), credentials, self, rule))  # type: ignore[arg-type]  # it asks an enforcer for its rules only

    def enforce(self, rule: str, ctx: Context, target: Mapping[str, Any] | None = None) -> None:
        """Raises Forbidden where ``allows`` says no."""
        if not self.allows(rule, ctx, target):
            raise Forbidden(rule=rule)
