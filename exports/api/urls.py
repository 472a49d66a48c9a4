from django.urls import path

from exports.api import views

urlpatterns = [
    path("webhooks", views.WebhooksView.as_view(), name="webhooks"),
    path("webhooks/<str:uuid>/deliveries", views.DeliveriesView.as_view(), name="webhook_deliveries"),
]
