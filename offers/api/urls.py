from django.urls import path

from offers.api import segments, views

urlpatterns = [
    path("offers", views.OffersView.as_view(), name="offers"),
    path("offers/<path:external_id>/listings", views.ListingsView.as_view(), name="listings"),
    path("offers/<path:external_id>/audiences", views.AudiencesView.as_view(), name="audiences"),
    path("offers/<path:external_id>/transitions", views.OfferTransitionsView.as_view(), name="offer_transitions"),
    path("offers/<path:external_id>", views.OfferView.as_view(), name="offer"),
    path("segments", segments.SegmentsView.as_view(), name="segments"),
    path("segments/<slug:code>", segments.SegmentView.as_view(), name="segment"),
    path("rankings", segments.RankingsView.as_view(), name="rankings"),
    path("rankings/undo", segments.RankingUndoView.as_view(), name="ranking_undo"),
]
