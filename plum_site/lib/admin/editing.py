"""Editable lists: the form collects, one service call saves."""

from typing import Any

from django import forms
from django.forms import Form, ModelForm
from django.http import HttpRequest

from plum_site.lib.admin.rows import ProgramModelAdmin
from plum_site.lib.errors import DomainError, NotAllowed


class ServiceModelAdmin(ProgramModelAdmin):
    """An editable admin: the form collects, `save_through` makes the one service call and returns the stored row."""

    def save_through(self, request: HttpRequest, row: Any, form: ModelForm, is_new: bool) -> Any:
        """The one service call; returns the row as stored."""
        raise NotImplementedError

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        stored = self.save_through(request, obj, form, not change)
        obj.pk = stored.pk
        obj.refresh_from_db()

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Nothing: the service has stored everything."""

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """The form class; on the second pass after a refusal its validation ends with what the service said."""
        form_class = super().get_form(request, obj, change, **kwargs)
        refusal: DomainError | None = getattr(request, "refusal", None)
        if refusal is None:
            return form_class

        def clean(form: Any) -> Any:
            cleaned = form_class.clean(form)
            refuse(form, refusal)
            return cleaned

        return type(form_class.__name__, (form_class,), {"clean": clean})

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        # Past Django's own changeform_view, which holds a transaction open around everything: the service has its own, and
        # what it does before (such as looking up a name) must not keep other writers waiting.
        answer: Any = self._changeform_view  # type: ignore[attr-defined]
        try:
            return answer(request, object_id, form_url, extra_context)
        except NotAllowed:
            raise
        except DomainError as error:  # show the form again, as it was filled in, with the reason beside the field
            request.refusal = error  # type: ignore[attr-defined]
            return answer(request, object_id, form_url, extra_context)


def refuse(form: Form | ModelForm, error: DomainError) -> None:
    """Put what a service refused beside the fields it names, else above the form."""
    named = {name: text for name, text in error.fields.items() if name in form.fields}
    for name, text in named.items():
        form.add_error(name, text)
    if not named:
        form.add_error(None, error.detail)


class SuggestInput(forms.TextInput):
    """A text field that suggests what is there already, and takes something new."""

    template_name = "plum/suggest.html"

    def __init__(self, suggestions: list[str], attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs)
        self.suggestions = suggestions

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        context["widget"]["attrs"]["list"] = f"{context['widget']['attrs'].get('id', name)}_suggestions"
        return {**context, "suggestions": self.suggestions}
