from django.urls import path

from activity.api import views

urlpatterns = [
    path("events", views.EventsView.as_view(), name="events"),
]
