"""Addresses of the pages about work: for workers, then for those who asked."""

from django.urls import path, re_path

from tasks.web.views import dashboard, desk, metrics, mine, pages, review, signalled, work

urlpatterns = [
    path("metrics", metrics.metrics, name="metrics"),
    path("work/", work.work, name="work"),
    path("work/answers/", mine.my_answers, name="my-answers"),
    path("work/decisions/", mine.my_decisions, name="my-decisions"),
    path("work/decisions/<str:decision>/", mine.decision, name="decision"),
    path("work/projects/<str:project>/", work.work_project, name="work-project"),
    path("work/projects/<str:project>/acknowledge", work.acknowledge, name="acknowledge"),
    path("work/projects/<str:project>/practise", work.practise, name="practise"),
    path("work/projects/<str:project>/start", work.start, name="start"),
    path("work/assignments/<str:assignment>/", pages.assignment, name="assignment"),
    path("work/assignments/<str:assignment>/draft", pages.save_draft, name="save-draft"),
    path("work/assignments/<str:assignment>/heartbeat", pages.heartbeat, name="heartbeat"),
    path("work/assignments/<str:assignment>/skip/<int:position>", pages.skip, name="skip"),
    path("work/assignments/<str:assignment>/return", pages.give_back, name="give-back"),
    path("work/assignments/<str:assignment>/feedback/", pages.feedback, name="feedback"),
    path("earnings/", mine.earnings, name="earnings"),
    path("projects/<str:project>/", dashboard.project, name="project"),
    path("projects/<str:project>/publish/", dashboard.publish, name="publish"),
    path("projects/<str:project>/publish/now", dashboard.publish_now, name="publish-now"),
    path("projects/<str:project>/signals/", signalled.signalled, name="signals"),
    path("projects/<str:project>/close", dashboard.close, name="close"),
    re_path(r"^batches/(?P<batch>\w+)/labels\.(?P<kind>jsonl|csv)$", dashboard.labels, name="labels"),
    path("batches/<str:batch>/answers/", review.answers, name="answers"),
    path("batches/<str:batch>/accept", review.accept, name="accept"),
    path("organisations/<str:organisation>/decisions/", desk.organisation_decisions, name="organisation-decisions"),
    path("organisations/<str:organisation>/decisions/new/", desk.decide_about, name="decide-about"),
    path("decisions/<str:decision>/", desk.one_decision, name="one-decision"),
    path("decisions/<str:decision>/sign", desk.sign, name="sign"),
    path("decisions/<str:decision>/decline", desk.decline, name="decline"),
    path("decisions/<str:decision>/withdraw", desk.withdraw, name="withdraw"),
    path("answers/<str:answer>/", review.decide, name="decide"),
]
