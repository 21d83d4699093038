"""Where the provider's messages arrive."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from payments import gateway, webhooks


@csrf_exempt
@require_POST
def stripe(request: HttpRequest) -> HttpResponse:
    """Take a message of Stripe: 204 when it is recorded, or was before; 400 when Stripe did not sign it just now."""
    try:
        webhooks.receive(request.body, request.headers.get("Stripe-Signature", ""))
    except gateway.Forged as error:
        return HttpResponse(str(error), status=400, content_type="text/plain")
    return HttpResponse(status=204)
