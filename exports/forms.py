"""What people fill in about what leaves Plum."""

from typing import Any

from django import forms

from exports.models import WebhookEndpoint
from exports.selectors import choosable_types


class EndpointForm(forms.ModelForm):
    """A webhook: who listens, where, and to what."""

    types = forms.MultipleChoiceField(
        label="Is told when", widget=forms.CheckboxSelectMultiple, help_text="Nothing else is sent to it, apart from tests."
    )

    class Meta:
        model = WebhookEndpoint
        fields = ["name", "url", "types"]
        widgets = {"url": forms.URLInput(attrs={"class": "vURLField", "placeholder": "https://hooks.example.org/plum"})}
        help_texts = {
            "name": "By which people recognise who listens, such as Warehouse.",
            "url": "https on port 443 or 8443, on the public internet. It is looked up now and before each message.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "types" in self.fields:
            field: Any = self.fields["types"]
            field.choices = [(kind.name, f"{kind.title} ({kind.name})") for kind in choosable_types()]
