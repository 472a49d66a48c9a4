"""Pictures of the catalog, for everybody who has the address: members' apps fetch them without signing in."""

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from offers.selectors.creatives import NAME, TYPES, creative_file

FOR_EVER = "public, max-age=31536000, immutable"  # the name is the hash of the content


@require_safe
def show_creative(request: HttpRequest, name: str) -> HttpResponse:
    """One picture, as nothing but a picture."""
    match = NAME.fullmatch(name)
    if match is None:
        raise Http404("There is no such picture.")
    headers = {
        "Cache-Control": FOR_EVER,
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "X-Content-Type-Options": "nosniff",
        "ETag": f'"{name}"',
    }
    if request.headers.get("If-None-Match") == headers["ETag"]:
        return HttpResponse(status=304, headers=headers)
    try:
        content = creative_file(name).read_bytes()  # bounded by what services.pictures makes
    except FileNotFoundError:
        raise Http404("There is no such picture.") from None
    return HttpResponse(content, content_type=TYPES[match[3]], headers=headers)
