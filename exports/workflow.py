"""The states of an export as a transition table. What has expired stays so: the data is asked for anew."""

from exports.choices import ExportState as S
from plum_site.lib.workflow import Transition, make_table

REQUEST = "export.request"

TRANSITIONS = make_table(
    # From running again: the worker before was killed in the middle, and left nothing that could be taken.
    Transition("start", frozenset({S.REQUESTED, S.RUNNING}), S.RUNNING, REQUEST, "Start"),
    Transition("finish", frozenset({S.RUNNING}), S.READY, REQUEST, "Finish"),
    Transition("fail", frozenset({S.REQUESTED, S.RUNNING}), S.FAILED, REQUEST, "Give up"),
    Transition("retry", frozenset({S.FAILED}), S.REQUESTED, REQUEST, "Try again"),
    Transition("expire", frozenset({S.READY}), S.EXPIRED, "export.remove", "Remove the files"),
)
