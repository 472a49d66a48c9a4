from django.urls import path

from partners.api import views

urlpatterns = [
    path("partners", views.PartnersView.as_view(), name="partners"),
    path("partners/<path:external_id>/transitions", views.PartnerTransitionsView.as_view(), name="partner_transitions"),
    path("partners/<path:external_id>", views.PartnerView.as_view(), name="partner"),
]
