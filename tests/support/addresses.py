"""Every address of Plum, walked from the URL configuration: what permissions.yaml must name."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

from plum_site.lib.api import ApiView

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Address:
    """
    One address. target: "/path/{name}" for the API, "namespace:name" for the console.

    methods: those that its view has a handler for; of a console view (a function), those that cannot be told are ().
    names: what stands in the address for a row.
    """

    target: str
    methods: tuple[str, ...]
    view: Any
    names: tuple[str, ...] = ()

    @property
    def is_api(self) -> bool:
        """Whether it answers programs."""
        return self.target.startswith("/")


def walk() -> Iterator[Address]:
    """Every address, in the order of the URL configuration."""
    yield from _walk(get_resolver().url_patterns, "/", "")


def _walk(patterns: list[Any], prefix: str, namespace: str) -> Iterator[Address]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from _walk(pattern.url_patterns, prefix + _template(pattern), inner)
        else:
            yield _address(pattern, prefix + _template(pattern), namespace)


def _address(pattern: URLPattern, path: str, namespace: str) -> Address:
    names = tuple(pattern.pattern.regex.groupindex)
    view_class = getattr(pattern.callback, "cls", None) or getattr(pattern.callback, "view_class", None)
    if namespace == "api:" or (view_class is not None and issubclass(view_class, ApiView)):
        methods = tuple(method for method in METHODS if hasattr(view_class, method.lower()))
        return Address(path, methods, view_class, names)
    method = getattr(pattern.callback, "method", None)
    return Address(f"{namespace}{pattern.name or path}", (method,) if method else (), pattern.callback, names)


def _template(pattern: URLPattern | URLResolver) -> str:
    """`<path:external_id>` as `{external_id}`."""
    if not isinstance(pattern.pattern, RoutePattern):
        return str(pattern.pattern)
    text = str(pattern.pattern)
    for name in pattern.pattern.converters:
        start = text.index("<")
        text = text[:start] + "{" + name + "}" + text[text.index(">") + 1 :]
    return text
