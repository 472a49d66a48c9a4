"""The forms of approvals and of the playbook's lines: they collect, rules judge, services save."""

import json
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator

from reviews.choices import ActionKind, Approval, Cause, Severity, Standing
from reviews.forms.actions import HOW_CHOICES
from reviews.rules.actions import (
    ANY,
    BLAMELESS,
    BOUNDS,
    LARGEST_LIMIT,
    LONGEST_PERSISTENCE,
    SOLO_HOURS,
    WITH_PLACE,
    ApprovalSpec,
    PlacingSpec,
    PlaybookLine,
)

AUDIENCE_CHOICES = [("everyone", "everyone"), ("carriers", "the segments that carry the fall")]


def read_number(text: str) -> int:
    """The number of the version that a page was made for; -1, which no version has, where it does not say: nobody saw any."""
    return int(text) if text.isdecimal() and len(text) < 10 else -1


class ApprovalsForm(forms.Form):
    """How many people each kind of action needs."""

    def __init__(self, data: Any = None, *, kinds: list[ActionKind], spec: ApprovalSpec) -> None:
        """kinds: those that can be chosen; the others stay as `spec`, what is in force, has them."""
        super().__init__(data)
        self.kinds, self.spec = kinds, spec
        for kind in kinds:
            self.fields[kind.value] = forms.ChoiceField(
                label=kind.label,
                choices=Approval.choices,
                widget=forms.RadioSelect,
                initial=spec.approvals.get(kind, Approval.TWO),
            )
        self.fields["push_limit"] = forms.IntegerField(
            label="Largest push that one person may approve",
            min_value=0,
            max_value=LARGEST_LIMIT,
            initial=spec.push_limit,
            help_text="A push to more recipients needs two different people, whatever is chosen above.",
        )
        self.fields["solo_mode"] = forms.BooleanField(
            label="Solo mode: one person runs this program",
            required=False,
            initial=spec.solo_mode,
            help_text="Where two people would be needed, one may approve what they proposed themselves, and it waits "
            f"{SOLO_HOURS} hours, in which it can be cancelled. Nobody looks twice any more. Each such action shows it for ever.",
        )

    def read(self) -> ApprovalSpec:
        """The version as the service takes it."""
        given = self.cleaned_data
        chosen = {kind.value: given[kind.value] for kind in self.kinds}
        return ApprovalSpec({**self.spec.approvals, **chosen}, given["push_limit"], given["solo_mode"])


class LineForm(forms.Form):
    """One line of the playbook."""

    cause = forms.ChoiceField(
        label="The cause is",
        required=False,
        choices=[(ANY, "any"), *((cause.value, cause.label) for cause in Cause if cause not in BLAMELESS)],
    )
    severity = forms.ChoiceField(label="The flag is", required=False, choices=[(ANY, "any"), *Severity.choices])
    standing = forms.ChoiceField(label="The partner is", required=False, choices=[(ANY, "any"), *Standing.choices])
    months = forms.IntegerField(label="For at least … months", min_value=1, max_value=LONGEST_PERSISTENCE, initial=1)
    kind = forms.ChoiceField(label="Propose")
    audience = forms.ChoiceField(label="For", choices=AUDIENCE_CHOICES)
    how = forms.ChoiceField(label="Re-rank how", required=False, choices=HOW_CHOICES, initial="top")
    place = forms.IntegerField(label="Place", required=False, min_value=1)
    kept = forms.CharField(required=False, widget=forms.HiddenInput, max_length=20_000)

    def __init__(self, *args: Any, kinds: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kinds = kinds
        self.fields["kind"].choices = kinds  # type: ignore[attr-defined] # mypy knows it as a plain field

    def shown(self) -> list[forms.BoundField]:
        """The fields that the kind of the line needs."""
        reranks = self["kind"].value() == ActionKind.RERANK
        return [self[name] for name in self.fields if name != "kept" and (reranks or name not in ("how", "place"))]

    def clean_kept(self) -> dict[str, Any]:
        """What the line's kind is told beside the fields here: JSON that this form wrote."""
        try:
            kept = json.loads(self.cleaned_data["kept"] or "{}")
        except ValueError:
            kept = None
        if not isinstance(kept, dict) or set(kept) - {"kind", "params"} or not isinstance(kept.get("params", {}), dict):
            raise forms.ValidationError("This line is damaged. Remove it and write it anew.")
        return kept

    def read(self) -> PlaybookLine:
        """The line as the service takes it; of another kind than it was, nothing of the old one is kept."""
        given = self.cleaned_data
        kept = given["kept"]
        params = dict(kept.get("params", {})) if kept.get("kind") == given["kind"] else {}
        if given["kind"] == ActionKind.RERANK:
            params |= {"how": given["how"] or "top"}
            params.pop("place", None)
            if params["how"] in WITH_PLACE:
                params["place"] = given["place"]
        return PlaybookLine(
            given["cause"], given["kind"], given["severity"], given["standing"], given["months"], given["audience"], params
        )


class PlacingForm(forms.Form):
    """What the playbook proposes for segments."""

    surfaces = forms.BooleanField(
        label="Surface partners in segments that redeem little",
        required=False,
        help_text="Those that do well with the peers of the segment.",
    )
    lowers = forms.BooleanField(
        label="Lower partners in segments with poor activation",
        required=False,
        help_text="Where it has been poor there for months on end, against comparable partners and against itself elsewhere.",
    )
    share = forms.IntegerField(label="Little is at most … % of what is to be expected")
    lower_months = forms.IntegerField(label="Poor activation for … months on end")
    places = forms.IntegerField(label="Lowered by … places")
    minimum = forms.IntegerField(label="From … observations on")
    most = forms.IntegerField(label="At most … proposals of each a month")
    quiet_months = forms.IntegerField(label="Not again for … months after it was decided or ended")

    def __init__(self, data: Any = None, *, spec: PlacingSpec) -> None:
        """spec: what is in force."""
        super().__init__(data, initial=spec.as_json(), prefix="placing")
        for name, (least, most) in BOUNDS.items():
            self.fields[name].validators += [MinValueValidator(least), MaxValueValidator(most)]
            self.fields[name].widget.attrs |= {"min": least, "max": most}

    def read(self) -> PlacingSpec:
        """The lines for segments as the service takes them."""
        return PlacingSpec(**self.cleaned_data)


def begin_line(line: PlaybookLine) -> dict[str, Any]:
    """What the form of a line begins with."""
    return {
        "cause": line.cause,
        "severity": line.severity,
        "standing": line.standing,
        "months": line.months,
        "kind": line.kind,
        "audience": line.audience,
        "how": line.params.get("how", "top"),
        "place": line.params.get("place"),
        "kept": json.dumps({"kind": line.kind, "params": dict(line.params)}),
    }
