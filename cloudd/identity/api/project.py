"""/v3/projects, and their tags."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response
from msgspec import UNSET, UnsetType

from cloudd.identity.api.shapes import Links, changes_of, filters_of, page_of
from cloudd.identity.domain.domain import Domains
from cloudd.identity.domain.project import Projects
from cloudd.identity.domain.records import new_id
from cloudd.identity.errors import RecordNotFound
from cloudd.identity.store.project import Project
from cloudd.kit.auth import Context
from cloudd.kit.web import route

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Tag = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern="^[^,/]+$")]


class ProjectCreate(msgspec.Struct):
    name: Name
    domain_id: str | None = None
    parent_id: str | None = None
    description: str | None = None
    enabled: bool = True
    tags: list[Tag] = []


class ProjectCreateRequest(msgspec.Struct):
    project: ProjectCreate


class ProjectUpdate(msgspec.Struct):
    name: Name | UnsetType = UNSET
    description: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    tags: list[Tag] | UnsetType = UNSET


class ProjectUpdateRequest(msgspec.Struct):
    project: ProjectUpdate


class TagsRequest(msgspec.Struct):
    tags: list[Tag]


def project_view(project: Project) -> dict[str, Any]:
    return {
        "id": project.id, "name": project.name, "domain_id": project.domain_id, "parent_id": project.parent_id or project.domain_id,
        "description": project.description, "enabled": project.enabled, "is_domain": False, "tags": project.tags, "options": {},
    }  # fmt: skip


@route("GET", "/v3/projects", rule="identity:list_project")
async def list_projects(request: Request[Any, Any, Any], projects: Projects, links: Links) -> dict[str, Any]:
    found = await projects.find(page_of(request, ["name"]), filters_of(request, "name", "domain_id", "parent_id", "enabled"))
    wanted = set(filter(None, request.query_params.get("tags", "").split(",")))
    return links.many("projects", [project_view(p) for p in found if wanted <= set(p.tags)])


@route("POST", "/v3/projects", rule="identity:create_project", status=201)
async def create_project(ctx: Context, data: ProjectCreateRequest, projects: Projects, domains: Domains, links: Links) -> dict[str, Any]:
    p = data.project
    domain = await domains.get(p.domain_id or ctx.project_domain_id or ctx.domain_id or "default")
    parent = p.parent_id if p.parent_id != domain.id else None
    if parent is not None:
        await projects.get(parent)
    made = Project(
        id=new_id(), name=p.name, domain_id=domain.id, parent_id=parent, description=p.description or "", enabled=p.enabled, tags=p.tags
    )
    return {"project": links.one("projects", project_view(await projects.create(made)))}


@route("GET", "/v3/projects/{project_id:str}", rule="identity:show_project")
async def show_project(project_id: str, projects: Projects, links: Links) -> dict[str, Any]:
    return {"project": links.one("projects", project_view(await projects.get(project_id)))}


@route("PATCH", "/v3/projects/{project_id:str}", rule="identity:update_project")
async def update_project(project_id: str, data: ProjectUpdateRequest, projects: Projects, links: Links) -> dict[str, Any]:
    return {"project": links.one("projects", project_view(await projects.update(project_id, changes_of(data.project))))}


@route("DELETE", "/v3/projects/{project_id:str}", rule="identity:delete_project", status=204)
async def delete_project(project_id: str, projects: Projects) -> None:
    await projects.delete(project_id)


@route("GET", "/v3/projects/{project_id:str}/tags", rule="identity:project_tags")
async def list_project_tags(project_id: str, projects: Projects) -> dict[str, Any]:
    return {"tags": (await projects.get(project_id)).tags}


@route("PUT", "/v3/projects/{project_id:str}/tags", rule="identity:update_project_tags")
async def replace_project_tags(project_id: str, data: TagsRequest, projects: Projects) -> dict[str, Any]:
    return {"tags": (await projects.update(project_id, {"tags": sorted(set(data.tags))})).tags}


@route("DELETE", "/v3/projects/{project_id:str}/tags", rule="identity:update_project_tags", status=204)
async def clear_project_tags(project_id: str, projects: Projects) -> None:
    await projects.update(project_id, {"tags": []})


@route("GET", "/v3/projects/{project_id:str}/tags/{tag:str}", rule="identity:project_tags", status=204)
async def check_project_tag(project_id: str, tag: str, projects: Projects) -> None:
    if tag not in (await projects.get(project_id)).tags:
        raise RecordNotFound(noun="project tag", key=tag)


@route("PUT", "/v3/projects/{project_id:str}/tags/{tag:str}", rule="identity:update_project_tags", status=201)
async def add_project_tag(project_id: str, tag: str, projects: Projects) -> Response[None]:
    tags = (await projects.get(project_id)).tags
    await projects.update(project_id, {"tags": sorted({*tags, tag})})
    return Response(None, status_code=201)


@route("DELETE", "/v3/projects/{project_id:str}/tags/{tag:str}", rule="identity:update_project_tags", status=204)
async def remove_project_tag(project_id: str, tag: str, projects: Projects) -> None:
    tags = (await projects.get(project_id)).tags
    if tag not in tags:
        raise RecordNotFound(noun="project tag", key=tag)
    await projects.update(project_id, {"tags": [t for t in tags if t != tag]})
