from django.urls import path

from offers.api import creatives, listings, rankings, segments, views

urlpatterns = [
    path("offers", views.OffersView.as_view(), name="offers"),
    path("offers/<path:external_id>/listings", listings.ListingsView.as_view(), name="listings"),
    path("offers/<path:external_id>/listings/compare", listings.ComparisonView.as_view(), name="listing_comparison"),
    path("offers/<path:external_id>/listings/restore", listings.RestoreView.as_view(), name="listing_restore"),
    path("offers/<path:external_id>/draft", listings.DraftView.as_view(), name="listing_draft"),
    path("offers/<path:external_id>/draft/transitions", listings.DraftTransitionsView.as_view(), name="draft_transitions"),
    path("offers/<path:external_id>/terms", listings.TermsView.as_view(), name="offer_terms"),
    path("creatives", creatives.CreativesView.as_view(), name="creatives"),
    path("offers/<path:external_id>/audiences", views.AudiencesView.as_view(), name="audiences"),
    path("offers/<path:external_id>/transitions", views.OfferTransitionsView.as_view(), name="offer_transitions"),
    path("offers/<path:external_id>", views.OfferView.as_view(), name="offer"),
    path("segments", segments.SegmentsView.as_view(), name="segments"),
    path("segments/<slug:code>", segments.SegmentView.as_view(), name="segment"),
    path("rankings", rankings.RankingsView.as_view(), name="rankings"),
    path("rankings/steps", rankings.RankingStepsView.as_view(), name="ranking_steps"),
    path("rankings/undo", rankings.RankingUndoView.as_view(), name="ranking_undo"),
    path("rankings/restore", rankings.RankingRestoreView.as_view(), name="ranking_restore"),
    path("rankings/compare", rankings.RankingCompareView.as_view(), name="ranking_compare"),
    path("rankings/priority", rankings.RankingPriorityView.as_view(), name="ranking_priority"),
]
