from django.urls import path

from reviews.api import views

urlpatterns = [
    path("reviews", views.ReviewsView.as_view(), name="reviews"),
    path("reviews/<str:month>", views.ReviewView.as_view(), name="review"),
    path("reviews/<str:month>/scorecards/<path:external_id>", views.ScorecardView.as_view(), name="scorecard"),
    path("flags", views.FlagsView.as_view(), name="flags"),
]
