"""Files on their way into datasets."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from marketplace import datasets
from marketplace.models import Import, Project
from marketplace.web.edge import person, refusals_in
from marketplace.web.forms import ImportForm
from marketplace.web.views.projects import visible

BAD_ROWS_SHOWN = 100


@login_required
def data(request: HttpRequest, project: str) -> HttpResponse:
    """The imports of a project, and a form for the next."""
    found = visible(request, project)
    form = ImportForm(request.POST or None, request.FILES or None, organisation=found.organisation, schema=found.schema)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            return redirect("import", _start(request, found, form).public_id)
    imports = Import.objects.filter(project=found).select_related("dataset").order_by("-pk")[:20]
    return render(request, "marketplace/data.html", {"project": found, "form": form, "imports": imports})


def _start(request: HttpRequest, project: Project, form: ImportForm) -> Import:
    file, by = form.cleaned_data["file"], person(request)
    dataset = form.cleaned_data["dataset"] or datasets.create(project.organisation, by, file.name[:200])
    return datasets.start_import(
        dataset,
        by,
        file,
        format=form.format,
        key_column=form.cleaned_data["key_column"].strip(),
        truth_columns=form.truth_columns,
        project=project,
    )


@login_required
def import_run(request: HttpRequest, run: str) -> HttpResponse:
    """How far an import has come; asked for by htmx, only the part that changes."""
    scoped = Import.objects.filter(dataset__organisation__memberships__user=person(request))
    found = get_object_or_404(scoped.select_related("dataset", "project"), public_id=run)
    template = "marketplace/_import.html" if "hx-request" in request.headers else "marketplace/import.html"
    return render(
        request,
        template,
        {
            "run": found,
            "busy": found.state in (Import.State.WAITING, Import.State.RUNNING),
            "bad_rows": found.bad_rows.all()[:BAD_ROWS_SHOWN],
        },
    )
