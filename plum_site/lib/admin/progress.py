"""How far a job is, as a bar that keeps itself up to date."""

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from plum_site.lib.choices import JobState
from plum_site.lib.models import Job
from plum_site.lib.present import LIVE


def show_progress(job: Job) -> SafeString:
    """A bar that plum.js keeps up to date while the job has not ended."""
    ended = job.state in (JobState.DONE, JobState.DEAD)
    total = job.progress_total or 1
    done = total if job.state == JobState.DONE else job.progress_done
    text = f"{job.progress_done} of {job.progress_total} {job.progress_note}" if job.progress_total else job.progress_note
    return format_html(
        '<span class="plum-progress" data-url="{}"{}><progress max="{}" value="{}" aria-label="Progress of {}"></progress> '
        '<span class="plum-progress-text" role="status">{}</span></span>',
        reverse("admin:plum_job_progress", args=[job.pk]),
        "" if ended else LIVE,
        total,
        done,
        job.name,
        text.strip() or job.get_state_display(),
    )
