"""Buttons of a workflow table: each asks for its comment on a page of its own, and makes one service call."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, reverse

from plum_site.lib.access import actor_of, check
from plum_site.lib.admin.editing import refuse
from plum_site.lib.admin.frame import Button, allowed, go, person_of, program_of, show, url_of
from plum_site.lib.admin.rows import ProgramModelAdmin
from plum_site.lib.clock import now
from plum_site.lib.errors import DomainError
from plum_site.lib.people import names_of
from plum_site.lib.present import Table, instant
from plum_site.lib.workflow import Table as Transitions
from plum_site.lib.workflow import Transition, available


class CommentForm(forms.Form):
    """Why."""

    comment = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), required=False, max_length=2000)


def make_log(log: Iterable[Any], states: Mapping[str, str], *tables: Transitions, title: str = "What happened") -> Table:
    """
    How a row came to its state: when, what, to which state, who by name, and why.

    states: what each is called. tables: whose transitions the names in the log are; what stands in none is said as it is.
    """
    entries = list(log)
    people = names_of(entry.actor for entry in entries)
    labels = {name: transition.label for table in tables for name, transition in table.items()}
    rows = [
        [
            instant(entry.at),
            labels.get(entry.name) or entry.name.replace("_", " ").capitalize(),
            states.get(entry.to_state, entry.to_state),
            people[entry.actor],
            entry.comment,
        ]
        for entry in entries
    ]
    return Table(title, ["When", "What", "State after", "Who", "Why"], rows, "No change is recorded.")


class TransitionsMixin(ProgramModelAdmin):
    """
    An admin whose rows change their state by the named transitions of a table.

    change_state: the service, called as change_state(**{key: row id}, name=, comment=, actor=, at=).
    """

    transitions: ClassVar[Transitions]
    transition_key: ClassVar[str]
    change_state: ClassVar[Callable[..., Any]]

    def get_urls(self) -> list[URLPattern]:
        operation = self.change_operation
        asks = self.act("<int:pk>/do/<slug:name>/", self.ask, "do", operation, "GET")
        return [asks, self.act("<int:pk>/done/<slug:name>/", self.carry_out, "done", operation), *super().get_urls()]

    def transition_buttons(self, request: HttpRequest, row: Any) -> list[Button]:
        """One button for each transition that starts from the row's state and that this person may take."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_do"
        return [
            Button(f"{transition.label}…", reverse(name, args=[row.pk, transition.name]))
            for transition in available(self.transitions, row.state)
            if allowed(request, transition.operation)
        ]

    def ask(self, request: HttpRequest, pk: int, name: str, form: forms.Form | None = None) -> HttpResponse:
        """The page that says what will happen and asks why."""
        row, transition = self.row_or_404(request, pk), self.find_transition(request, name)
        form = form or CommentForm()
        form.fields["comment"].required = transition.needs_comment
        return show(
            request,
            "plum/ask.html",
            title=f"{transition.label}: {row}",
            intro=f"{self.explain(row, transition)} This is logged with your name.",
            form=form,
            action=reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_done", args=[pk, name]),
            submit=transition.label,
            back_url=url_of(row),
            back_label=str(row),
            opts=self.opts,
        )

    def explain(self, row: Any, transition: Transition) -> str:
        """What a transition will do, in a sentence or more."""
        states = dict(row._meta.get_field("state").choices)
        return f"{row} goes from {row.get_state_display()} to {states[transition.target]}."

    def carry_out(self, request: HttpRequest, pk: int, name: str) -> HttpResponse:
        """The one service call; what it refuses stands above the form."""
        row, transition, form = self.row_or_404(request, pk), self.find_transition(request, name), CommentForm(request.POST)
        if not form.is_valid():
            return self.ask(request, pk, name, form)
        change = type(self).change_state
        try:
            comment = form.cleaned_data["comment"]
            change(**{self.transition_key: row.pk}, name=transition.name, actor=person_of(request), at=now(), comment=comment)
        except DomainError as error:
            refuse(form, error)
            return self.ask(request, pk, name, form)
        self.message_user(request, f"{transition.label}: done for {row}.")
        return go(request, f"{self.opts.app_label}_{self.opts.model_name}_change", pk)

    def find_transition(self, request: HttpRequest, name: str) -> Any:
        """The named transition, if this person may take it."""
        transition = self.transitions.get(name)
        if transition is None:
            raise Http404(f"There is no transition {name}.")
        check(actor_of(request), transition.operation, program_of(request).pk)
        return transition
