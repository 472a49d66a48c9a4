from django.urls import path

from reviews.api import actions, comparisons, flags, gaps, ladder, policies, pushes, restatements, rules, scorecards, views

urlpatterns = [
    path("actions/<int:action_id>/recipients", pushes.PushRecipientsView.as_view(), name="push_recipients"),
    path("actions", actions.ActionsView.as_view(), name="actions"),
    path("actions/approve", actions.ApproveActionsView.as_view(), name="approve_actions"),
    path("actions/<int:action_id>", actions.ActionView.as_view(), name="action"),
    path("actions/<int:action_id>/notes", actions.ActionNotesView.as_view(), name="action_notes"),
    path("actions/<int:action_id>/transitions", actions.ActionTransitionsView.as_view(), name="action_transitions"),
    path("approvals", policies.ApprovalsView.as_view(), name="approvals"),
    path("playbook", policies.PlaybookView.as_view(), name="playbook"),
    path("ladder", ladder.LadderView.as_view(), name="ladder"),
    path("ladder/partners/<path:external_id>", ladder.PartnerLadderView.as_view(), name="partner_ladder"),
    path("ladder/holds/<path:external_id>", ladder.PartnerHoldView.as_view(), name="partner_hold"),
    path("comparisons", comparisons.ComparisonsView.as_view(), name="comparisons"),
    path("coverage", scorecards.CoverageView.as_view(), name="coverage"),
    path("scorecards", scorecards.ScorecardsView.as_view(), name="scorecards"),
    path("reviews", views.ReviewsView.as_view(), name="reviews"),
    path("reviews/<str:month>", views.ReviewView.as_view(), name="review"),
    path("reviews/<str:month>/scorecards/<path:external_id>", views.ScorecardView.as_view(), name="scorecard"),
    path("data-gaps", gaps.DataGapsView.as_view(), name="data-gaps"),
    path("data-gaps/<int:gap_id>/transitions", gaps.GapTransitionsView.as_view(), name="data_gap_transitions"),
    path("rules", rules.RulesView.as_view(), name="rules"),
    path("rules/previews/<int:job_id>", rules.RulePreviewView.as_view(), name="rule_preview"),
    path("rules/<slug:code>", rules.RuleView.as_view(), name="rule"),
    path("rules/<slug:code>/transitions", rules.RuleTransitionsView.as_view(), name="rule_transitions"),
    path("flags", flags.FlagsView.as_view(), name="flags"),
    path("flags/<int:flag_id>", flags.FlagView.as_view(), name="flag"),
    path("flags/<int:flag_id>/transitions", flags.FlagTransitionsView.as_view(), name="flag_transitions"),
    path("restatements", restatements.RestatementsView.as_view(), name="restatements"),
    path("reviews/<str:month>/restatements", restatements.AskRestatementView.as_view(), name="ask-restatement"),
]
