from django.urls import path

from exports.api import exports, views

urlpatterns = [
    path("exports", exports.ExportsView.as_view(), name="exports"),
    path("exports/<str:uuid>", exports.ExportView.as_view(), name="export"),
    path("exports/<str:uuid>/download", exports.ExportDownloadView.as_view(), name="export_download"),
    path("webhooks", views.WebhooksView.as_view(), name="webhooks"),
    path("webhooks/<str:uuid>/deliveries", views.DeliveriesView.as_view(), name="webhook_deliveries"),
]
