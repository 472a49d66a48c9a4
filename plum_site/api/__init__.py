"""What the API has beside the apps: health, its own description, tokens, and the audit log."""

from plum_site.api.audit import AuditView
from plum_site.api.meta import DescriptionView, DocumentationView, LivenessView, ReadinessView, describe_api
from plum_site.api.tokens import OwnTokenView, TokensView, TokenView

__all__ = [
    "AuditView",
    "DescriptionView",
    "DocumentationView",
    "LivenessView",
    "OwnTokenView",
    "ReadinessView",
    "TokenView",
    "TokensView",
    "describe_api",
]
