"""Every address of Plum, in one table. Who may use which: plum_site/permissions.yaml."""

from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

import activity.api.urls
import exports.api.urls
import offers.api.urls
import partners.api.urls
import reviews.api.urls
from offers.pages import show_creative
from plum_site import api
from plum_site.console import site as console
from plum_site.console.partner_card import partner_card_by_link
from plum_site.console.push_opt_out import opt_out_by_link
from plum_site.console.unsubscribe import unsubscribe_by_link

api_patterns: list[URLPattern | URLResolver] = [
    *activity.api.urls.urlpatterns,  # first, because events come most often
    path("openapi.json", api.DescriptionView.as_view(), name="description"),
    path("docs", api.DocumentationView.as_view(), name="documentation"),
    path("me/token", api.OwnTokenView.as_view(), name="own_token"),
    path("tokens", api.TokensView.as_view(), name="tokens"),
    path("tokens/<slug:prefix>", api.TokenView.as_view(), name="token"),
    path("audit", api.AuditView.as_view(), name="audit"),
    *partners.api.urls.urlpatterns,
    *offers.api.urls.urlpatterns,
    *reviews.api.urls.urlpatterns,
    *exports.api.urls.urlpatterns,
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", api.LivenessView.as_view(), name="liveness"),
    path("readyz", api.ReadinessView.as_view(), name="readiness"),
    path("api/v1/", include((api_patterns, "api"))),
    path("", include(([path("", RedirectView.as_view(pattern_name="admin:index"), name="root")], "front"))),
    path("creatives/<str:name>", show_creative, name="creative"),
    path("mail/unsubscribe/<str:token>/", unsubscribe_by_link, name="unsubscribe"),
    path("mail/partner/<str:token>/", partner_card_by_link, name="partner_card"),
    path("mail/opt-out/<str:token>/", opt_out_by_link, name="push_opt_out"),
    path("console/", console.urls),
]

handler400 = "plum_site.lib.problems.answer_bad_request"
handler403 = "plum_site.lib.problems.answer_forbidden"
handler404 = "plum_site.lib.problems.answer_not_found"
handler500 = "plum_site.lib.problems.answer_error"
