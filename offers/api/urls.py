from django.urls import path

from offers.api import views

urlpatterns = [
    path("offers", views.OffersView.as_view(), name="offers"),
    path("offers/<path:external_id>/listings", views.ListingsView.as_view(), name="listings"),
    path("offers/<path:external_id>", views.OfferView.as_view(), name="offer"),
    path("segments", views.SegmentsView.as_view(), name="segments"),
    path("rankings", views.RankingsView.as_view(), name="rankings"),
]
