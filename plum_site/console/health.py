"""How the installation is: what `manage.py health` prints, as a page for whoever runs it. It speaks of every program."""

from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from plum_site.health import Check, find_health
from plum_site.lib.admin import page, show
from plum_site.lib.present import Table, badge


@page("health/", name="health", operation="installation.read", title="Health", needs_program=False)
def show_health(request: HttpRequest) -> HttpResponse:
    """Everything that is looked at, and what to do about what is not well."""
    health = find_health()
    checks = sorted(health.checks, key=lambda check: check.ok)  # what is not well comes first
    count = sum(not check.ok for check in checks)
    title = f"{count} of {len(checks)} are not well" if count else "All is well"
    table = Table(title, ["What", "State", "Seen", "What to do"], [show_check(check) for check in checks])
    return show(
        request,
        "plum/page.html",
        title="Health",
        intro="The parts of this installation as they are at this moment: database and its connections, broker, worker, beat, "
        "ledger, jobs, messages, disk, and the last nightly verification. Load the page again to look again.",
        tables=[table],
    )


def show_check(check: Check) -> list[SafeString | str]:
    """One line; what to do only where something is to be done."""
    state = badge("Well", "good") if check.ok else badge("Not well", "bad")
    return [check.name.capitalize(), state, check.detail, "" if check.ok else check.remedy]
