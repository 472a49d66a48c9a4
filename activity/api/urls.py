from django.urls import path

from activity.api import figures, views

urlpatterns = [
    path("events", views.EventsView.as_view(), name="events"),
    path("batches", figures.BatchesView.as_view(), name="batches"),
    path("metrics", figures.MetricsView.as_view(), name="metrics"),
    path("catalog", figures.CatalogView.as_view(), name="catalog"),
]
