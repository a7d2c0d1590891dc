"""Puts the identity service together."""

from __future__ import annotations

from cloudd.identity.api import (
    application_credential,
    catalog,
    credential,
    domain,
    group,
    policy,
    project,
    role,
    token,
    trust,
    user,
    version,
)
from cloudd.identity.api.shapes import Links
from cloudd.identity.client import IdentityClient
from cloudd.identity.domain.application_credential import ApplicationCredentials
from cloudd.identity.domain.assignment_names import AssignmentNames
from cloudd.identity.domain.authentication import LogIn
from cloudd.identity.domain.catalog import Catalog, CatalogServices, Endpoints, Regions
from cloudd.identity.domain.credential import Credentials
from cloudd.identity.domain.domain import Domains
from cloudd.identity.domain.group import Groups
from cloudd.identity.domain.password import Passwords
from cloudd.identity.domain.policy import Policies
from cloudd.identity.domain.project import Projects
from cloudd.identity.domain.role import Assignments, Roles
from cloudd.identity.domain.token import Tokens
from cloudd.identity.domain.trust import Trusts
from cloudd.identity.domain.user import Users
from cloudd.identity.errors import error_body
from cloudd.identity.policy import RULES
from cloudd.identity.settings import IdentitySettings
from cloudd.kit.service import Cloud, Service
from cloudd.kit.settings import ApiSettings
from cloudd.kit.web import routes_of


def service(cloud: Cloud) -> Service:
    passwords = Passwords(cloud.settings.section(IdentitySettings))
    assignments = Assignments(cloud)
    credentials = ApplicationCredentials(cloud, passwords, assignments)
    services, endpoints = CatalogServices(cloud), Endpoints(cloud)
    trusts = Trusts(cloud, assignments)
    tokens = Tokens(cloud, assignments, credentials, Catalog(services, endpoints), trusts)
    users, projects = Users(cloud, passwords), Projects(cloud)
    cloud.offer(IdentityClient(tokens, projects, users))
    return Service(
        name="identity",
        title="Identity API v3",
        routes=[
            *routes_of(version, token, domain, project, user, group, role, catalog, application_credential, credential, trust, policy),
            *role.GRANT_ROUTES,
        ],
        rules=RULES,
        trailing_slash=True,
        error_body=error_body,
        dependencies={
            "links": Links(cloud.settings.section(ApiSettings)),
            "tokens": tokens,
            "log_in": LogIn(tokens, passwords),
            "domains": Domains(cloud),
            "projects": projects,
            "users": users,
            "groups": Groups(cloud),
            "roles": Roles(cloud),
            "assignments": assignments,
            "names": AssignmentNames(cloud),
            "regions": Regions(cloud),
            "services": services,
            "endpoints": endpoints,
            "application_credentials": credentials,
            "credentials": Credentials(cloud, users, projects),
            "trusts": trusts,
            "policies": Policies(cloud),
        },
    )
