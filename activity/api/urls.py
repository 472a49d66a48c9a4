from django.urls import path

from activity.api import catalog, reads, sources, views

urlpatterns = [
    path("events", views.EventsView.as_view(), name="events"),
    path("events/stream", reads.EventStreamView.as_view(), name="event_stream"),
    path("batches", reads.BatchesView.as_view(), name="batches"),
    path("outcomes", sources.OutcomesView.as_view(), name="outcomes"),
    path("sources/<path:code>", sources.SourceView.as_view(), name="source"),
    path("metrics", reads.MetricsView.as_view(), name="metrics"),
    path("funnel", reads.FunnelView.as_view(), name="funnel"),
    path("members/<path:external_id>/timeline", reads.TimelineView.as_view(), name="timeline"),
    path("catalog", catalog.CatalogView.as_view(), name="catalog"),
]
