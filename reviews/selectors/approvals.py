"""Reads of the requests to lower a program's approvals."""

from django.db.models import QuerySet

from plum_site.lib.errors import NotFound
from reviews.choices import ApprovalRequestState
from reviews.models import ApprovalPolicy, ApprovalRequest
from reviews.rules.actions import ApprovalSpec


def spec_of(row: ApprovalPolicy | ApprovalRequest) -> ApprovalSpec:
    """
    What a stored version, or a request for one, says.

    Shape: one ApprovalSpec.
    """
    return ApprovalSpec(row.approvals, row.push_limit, row.solo_mode)


def list_approval_requests(program_id: int) -> QuerySet[ApprovalRequest]:
    """
    Who asked for approvals that ask for less, and what came of it.

    Shape: ApprovalRequests with asker and answerer, newest first.
    """
    rows = ApprovalRequest.objects.filter(program_id=program_id).select_related("asker", "answerer")
    return rows.order_by("-asked_at", "-id")


def find_open_request(program_id: int) -> ApprovalRequest | None:
    """
    The request that waits for an answer or its time; there is one at most.

    Shape: one ApprovalRequest or None.
    """
    return list_approval_requests(program_id).filter(state=ApprovalRequestState.ASKED).first()


def get_approval_request(program_id: int, request_id: int) -> ApprovalRequest:
    """
    One request.

    Shape: one ApprovalRequest with asker and answerer.
    Raises: NotFound.
    """
    row = list_approval_requests(program_id).filter(pk=request_id).first()
    if row is None:
        raise NotFound("request to lower the approvals", request_id)
    return row
