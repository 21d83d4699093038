"""The one settings file. Without any environment it serves this machine only, with play money."""

import contextlib
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from marketplace.core import env, pay_floors, signing, taxes
from marketplace.core.embedded import server as embedded
from marketplace.core.money import DECIMALS

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".data"  # everything this installation writes beside the database


def _local_secret() -> str:
    """A secret of this clone alone, made once; production must bring its own."""
    path = STATE / "secret_key"
    if not path.exists():
        STATE.mkdir(mode=0o700, exist_ok=True)
        fresh = path.with_suffix(f".{secrets.token_hex(4)}")
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_urlsafe(50))
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(fresh)  # the first of several processes wins
        fresh.unlink()
    return path.read_text()


# Where it runs
PRODUCTION = env.flag("PRODUCTION")
DEBUG = env.flag("DEBUG")
SECRET_KEY = env.text("SECRET_KEY") or ("" if PRODUCTION else _local_secret())
DATABASE_URL = env.text("DATABASE_URL")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "" if PRODUCTION else "localhost 127.0.0.1 [::1]")
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")
FIRST_HOST = ALLOWED_HOSTS[0].removeprefix(".") if PRODUCTION and ALLOWED_HOSTS else ""
SITE_URL = env.text("SITE_URL").rstrip("/") or (f"https://{FIRST_HOST}" if FIRST_HOST else "http://localhost:8000")
if PRODUCTION and not (SECRET_KEY and DATABASE_URL and ALLOWED_HOSTS):
    raise ImproperlyConfigured("PRODUCTION=1 needs SECRET_KEY, DATABASE_URL and ALLOWED_HOSTS")
if "*" in SITE_URL or not SITE_URL.startswith(("http://", "https://")):
    raise ImproperlyConfigured("SITE_URL: expected where people find the site, as https://example.org")
if PRODUCTION and DEBUG:
    raise ImproperlyConfigured("PRODUCTION=1 and DEBUG=1 exclude each other")
OUTGOING_LOOPBACK = env.flag("OUTGOING_LOOPBACK")  # for tests, and to try things: http, and to this very machine
if PRODUCTION and OUTGOING_LOOPBACK:
    raise ImproperlyConfigured("OUTGOING_LOOPBACK=1 lets others reach this very machine: not with PRODUCTION=1")

# Money
STRIPE_SECRET_KEY = env.text("STRIPE_SECRET_KEY")  # its beginning says the mode; without one: play money
STRIPE_WEBHOOK_SECRET = env.text("STRIPE_WEBHOOK_SECRET")
STRIPE_URL = env.parsed("STRIPE_URL", env.loopback_url) or ""  # of a stand-in for Stripe, with a test key
MODE = env.parsed("STRIPE_SECRET_KEY", env.mode_of) or "sandbox"
PLAY_MONEY = env.flag("PLAY_MONEY", default=not PRODUCTION and MODE == "sandbox")
if (MODE == "sandbox") != PLAY_MONEY:
    raise ImproperlyConfigured("either PLAY_MONEY=1 or STRIPE_SECRET_KEY: one of them says what money is moved")
if MODE != "sandbox" and not STRIPE_WEBHOOK_SECRET:
    raise ImproperlyConfigured("STRIPE_WEBHOOK_SECRET is needed with STRIPE_SECRET_KEY: money is credited by webhook")
if STRIPE_URL and MODE == "live":
    raise ImproperlyConfigured("STRIPE_URL is for a test key only")
CURRENCIES = env.words("CURRENCIES", "USD EUR GBP CHF JPY")
if unknown := set(CURRENCIES) - DECIMALS.keys():
    raise ImproperlyConfigured(f"CURRENCIES: {', '.join(sorted(unknown))}: expected some of {', '.join(DECIMALS)}")
FEE_BP = env.number("FEE_BP", 1000, most=10_000)  # of each answer's price, in basis points
BONUS_MOST_MICROS = env.number("BONUS_MOST_MICROS", 100_000_000, least=1, most=10**12)
BONUSES_AT_ONCE = env.number("BONUSES_AT_ONCE", 1_000, least=1, most=100_000)
PREPAYMENT_MOST_MICROS = env.number("PREPAYMENT_MOST_MICROS", 100_000_000_000, most=10**12)
found = env.parsed("PAY_FLOORS", pay_floors.read)
PAY_FLOORS = pay_floors.read(pay_floors.USUAL) if found is None else found  # an empty file: there is none
PAY_LEAST_WORKERS = env.number("PAY_LEAST_WORKERS", 5, least=3)  # a median of fewer is neither shown nor acted on
PAY_WORKERS_MOST = env.number("PAY_WORKERS_MOST", 5_000, least=100, most=100_000)  # the newest of a project that count
TOP_UP_MOST_PERCENT = env.number("TOP_UP_MOST_PERCENT", 50, most=100)  # of the price, where a project says nothing
TOP_UP_TIME_MOST_PERCENT = env.number("TOP_UP_TIME_MOST_PERCENT", 150, least=100, most=1000)  # of the median time
TOP_UP_EVERY_S = env.number("TOP_UP_EVERY_S", 24 * 3600)
FUNDING_HOLD_DAYS = env.number("FUNDING_HOLD_DAYS", 7, most=365)  # what a new organisation pays leaves no sooner
REFUND_WITHIN_DAYS = env.number("REFUND_WITHIN_DAYS", 180, least=1, most=3650)  # later by hand
PAYOUT_LEAST_MICROS = env.number("PAYOUT_LEAST_MICROS", 1_000_000, most=10**9)
FIRST_PAYOUT_MOST_MICROS = env.number("FIRST_PAYOUT_MOST_MICROS", 200_000_000, most=10**12)
PAYOUT_REVIEWED_WITHIN_DAYS = env.number("PAYOUT_REVIEWED_WITHIN_DAYS", 3, least=1, most=90)  # as we say; no limit
NEW_PAYEE_DAYS = env.number("NEW_PAYEE_DAYS", 30, most=3650)
PAYOUTS_A_DAY_MOST_MICROS = env.number("PAYOUTS_A_DAY_MOST_MICROS", 500_000_000, most=10**12)
HOLD_MOST_DAYS = env.number("HOLD_MOST_DAYS", 30, least=1, most=365)
LEAST_AGE = env.number("LEAST_AGE", 18, most=120)
PAYOUT_COUNTRIES = env.countries(
    "PAYOUT_COUNTRIES",
    "AT:EUR BE:EUR BG:EUR CH:CHF+EUR CY:EUR DE:EUR EE:EUR ES:EUR FI:EUR FR:EUR GB:GBP GR:EUR HR:EUR IE:EUR IT:EUR "
    "LI:CHF LT:EUR LU:EUR LV:EUR MT:EUR NL:EUR PT:EUR SI:EUR SK:EUR US:USD",
)

# Statements
REPORTING_TIME_ZONE = env.time_zone("REPORTING_TIME_ZONE")  # of months and years; a month begins where the last ended
MONTH_CLOSES_AFTER_H = env.number("MONTH_CLOSES_AFTER_H", 6, least=1, most=240)
TAX_LINES = env.json_file("TAX_LINES", taxes.read, {})
OPERATOR_NAME = env.text("OPERATOR_NAME")
OPERATOR_ADDRESS = env.text("OPERATOR_ADDRESS").replace("\\n", "\n")
OPERATOR_TAX_ID = env.text("OPERATOR_TAX_ID")
CORRECTION_ALONE_MOST_MICROS = env.number("CORRECTION_ALONE_MOST_MICROS", 100_000_000, most=10**11)  # two admins above

# Limits
IMPORT_MOST_BYTES = env.number("IMPORT_MOST_BYTES", 2_000_000_000, most=10**12)
IMPORT_ROW_MOST_BYTES = env.number("IMPORT_ROW_MOST_BYTES", 1_000_000, most=10**8)
IMPORT_BAD_ROWS_KEPT = env.number("IMPORT_BAD_ROWS_KEPT", 1_000)
IMPORT_STEP_ROWS = env.number("IMPORT_STEP_ROWS", 5_000, least=1)
BODY_MOST_BYTES = env.number("BODY_MOST_BYTES", 2_000_000)
PAGE_MOST_TASKS = env.number("PAGE_MOST_TASKS", 100, least=1, most=500)
PRICE_MOST_MICROS = env.number("PRICE_MOST_MICROS", 1_000_000_000, most=10**12)
REDUNDANCY_MOST = env.number("REDUNDANCY_MOST", 100, least=1, most=1000)
SIGNALS_ANSWERS_MOST = env.number("SIGNALS_ANSWERS_MOST", 50_000, least=100, most=1_000_000)  # the newest of a project
PRACTICE_ATTEMPTS = env.number("PRACTICE_ATTEMPTS", 3, least=1)
APPEAL_WINDOW_S = env.number("APPEAL_WINDOW_S", 14 * 24 * 3600, least=24 * 3600)
UNPAID_TEST_S = env.number("UNPAID_TEST_S", 300, most=24 * 3600)  # practice and exam together, where nobody pays them
RELIABILITY_HALF_LIFE_DAYS = env.number("RELIABILITY_HALF_LIFE_DAYS", 90, least=7, most=36_500)
GOLD_FLOOR = env.number("GOLD_FLOOR_PERCENT", 25, most=100) / 100  # of a project's share of gold, for those known best
GOLD_WRONG_PRIOR = env.number("GOLD_WRONG_PRIOR_PERCENT", 2, least=1, most=50) / 100
GOLD_WRONG_MOST = env.number("GOLD_WRONG_MOST_PERCENT", 50, least=1, most=99) / 100
GOLD_WRONG_SERVES = env.number("GOLD_WRONG_SERVES", 4, least=1)
GOLD_CONTESTED_MOST = env.number("GOLD_CONTESTED_MOST", 3, least=1)
REVIEW_HELD_S = env.number("REVIEW_HELD_S", 900, least=30, most=24 * 3600)
REVIEW_SENT_BACK_MOST = env.number("REVIEW_SENT_BACK_MOST", 3, most=100)
REQUIREMENT_DEPTH_MOST = env.number("REQUIREMENT_DEPTH_MOST", 5, least=1, most=20)
REQUIREMENT_CONDITIONS_MOST = env.number("REQUIREMENT_CONDITIONS_MOST", 20, least=1, most=200)
APPROVED_SHARE_LEAST_ANSWERS = env.number("APPROVED_SHARE_LEAST_ANSWERS", 20, least=1)
TIERS_MOST = env.number("TIERS_MOST", 5, most=20)
LIST_MOST_ROWS = env.number("LIST_MOST_ROWS", 10_000, least=1, most=100_000)
INVITATION_DAYS = env.number("INVITATION_DAYS", 14, least=1, most=365)
GRANT_RENEW_DAYS = env.number("GRANT_RENEW_DAYS", 7, least=1, most=365)
APPEAL_DECIDED_WITHIN_S = env.number("APPEAL_DECIDED_WITHIN_S", 14 * 24 * 3600)
PAUSE_MOST_H = env.number("PAUSE_MOST_H", 72, least=1, most=720)
RULES_MOST = env.number("RULES_MOST", 20, least=1, most=200)  # that are on, of a project
RULE_PIECES_MOST = env.number("RULE_PIECES_MOST", 2_000, least=100, most=50_000)  # the last of a worker that count
RULE_TRIAL_PIECES_MOST = env.number("RULE_TRIAL_PIECES_MOST", 100_000, least=1_000, most=10**7)
RULE_PROPOSALS_MOST = env.number("RULE_PROPOSALS_MOST", 200, least=1, most=5_000)  # of one firing
ACCESS_TOKEN_S = env.number("ACCESS_TOKEN_S", 60, least=5, most=60)  # a revoked one works no longer than this
WANTS_S = env.number("WANTS_S", 900, least=1, most=24 * 3600)
WIDEN_AFTER_S = env.number("WIDEN_AFTER_S", 600, least=1, most=7 * 24 * 3600)
FIT_KEPT_FROM_ANSWERS = env.number("FIT_KEPT_FROM_ANSWERS", 20_000, least=0, most=10**9)
DISAGREEMENT_ANSWERS_MOST = env.number("DISAGREEMENT_ANSWERS_MOST", 50_000, least=100, most=1_000_000)
GROUP_LEAST = env.number("GROUP_LEAST", 10, least=5, most=1_000)  # people; smaller groups are shown to nobody
SUSPECTS_LABELS_MOST = env.number("SUSPECTS_LABELS_MOST", 50_000, least=100, most=1_000_000)  # the newest of a batch
SUSPECTS_SHOWN = env.number("SUSPECTS_SHOWN", 50, least=1, most=1_000)  # those that look wrong most
AGREEMENT_VALUES_MOST = env.number("AGREEMENT_VALUES_MOST", 100_000, least=5_000, most=10_000_000)
AGGREGATOR_TIMEOUT_S = env.number("AGGREGATOR_TIMEOUT_S", 30, least=1, most=60)  # of one call, all of it
AGGREGATOR_REPLY_MOST_BYTES = env.number("AGGREGATOR_REPLY_MOST_BYTES", 5_000_000, least=1_000, most=10**8)
AGGREGATOR_TASKS_AT_ONCE = env.number("AGGREGATOR_TASKS_AT_ONCE", 100, least=1, most=1_000)
AGGREGATOR_TRIES = env.number("AGGREGATOR_TRIES", 5, least=1, most=20)
ERRORS_SHOWN = env.number("ERRORS_SHOWN", 100, least=1)
CONNECTIONS_MOST = env.number("CONNECTIONS_MOST", 2_000, least=16, most=100_000)  # of each server process
HEADERS_MOST_BYTES = env.number("HEADERS_MOST_BYTES", 65_536, least=8_192, most=10**7)  # the address with them
HEADERS_WITHIN_S = env.number("HEADERS_WITHIN_S", 30, least=1, most=3600)
TRANSFERS_AT_ONCE = env.number("TRANSFERS_AT_ONCE", 8, least=1, most=256)  # long bodies and streams of each process
TRANSFER_PATIENCE_S = env.number("TRANSFER_PATIENCE_S", 30, least=1, most=3600)
TRANSFER_LEAST_BYTES_A_SECOND = env.number("TRANSFER_LEAST_BYTES_A_SECOND", 5_000, least=1)
DATA_UPLOAD_MAX_MEMORY_SIZE = BODY_MOST_BYTES
FILE_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
LIMITS = {  # exact, each as many times in so many seconds; 0: no limit
    "sign-in": (env.number("SIGN_IN_A_MINUTE", 30), 60),  # and sign-up, reset and the like, of a client's address
    "failed-sign-in": (env.number("SIGN_IN_FAILURES", 5), 300),  # of an account, from a client's address
    "failed-sign-in-anywhere": (env.number("SIGN_IN_FAILURES_ANYWHERE", 100), 300),  # of an account
    "letter": (env.number("LETTERS_AN_HOUR", 5), 3600),  # to an address
    "prepayment": (env.number("PREPAYMENTS_AN_HOUR", 60), 3600),  # by a person, as those below
    "refund": (env.number("REFUNDS_AN_HOUR", 30), 3600),
    "payout": (env.number("PAYOUTS_AN_HOUR", 30), 3600),
    "payout-account": (env.number("PAYOUT_ACCOUNT_LINKS_AN_HOUR", 30), 3600),
    "publish": (env.number("PUBLISHED_AN_HOUR", 120), 3600),
    "message": (env.number("MESSAGES_AN_HOUR", 60), 3600),
    "report": (env.number("REPORTS_AN_HOUR", 30), 3600),
    "invitation": (env.number("INVITATIONS_AN_HOUR", 60), 3600),
    "sample": (env.number("SAMPLES_AN_HOUR", 60), 3600),
}
PACES = {  # about right, of a caller in each server process: requests a second, and at once after a pause; 0: no limit
    "api": (env.number("API_A_SECOND", 50), env.number("API_AT_ONCE", 500, least=1)),
    "hot": (env.number("HOT_A_SECOND", 50), env.number("HOT_AT_ONCE", 100, least=1)),
}

INSTALLED_APPS = [
    "tasks",  # the highest first: its templates and commands win
    "payments",
    "workers",
    "marketplace",
    "marketplace.core",
    "allauth",
    "allauth.account",
    "allauth.headless",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_q",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "marketplace.core.middleware.note_request",
    "marketplace.core.middleware.answer_watchers",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "marketplace.core.middleware.say_policy",
    "marketplace.core.middleware.RefuseUnkeepable",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "marketplace.sign_in.Limit",
]

ROOT_URLCONF = "marketplace.urls"
WSGI_APPLICATION = "marketplace.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "marketplace.web.context.site",
                "workers.web.context.notices",
            ],
        },
    }
]

# Database: a server by DATABASE_URL, otherwise an embedded PostgreSQL that belongs to this clone
DATABASES = {"default": env.database(DATABASE_URL) if DATABASE_URL else embedded.settings(ROOT)}
DATABASES["default"]["CONN_MAX_AGE"] = 600
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DATABASES["default"]["OPTIONS"] = {
    "connect_timeout": 5,  # an address that swallows packets
    "prepare_threshold": 0 if env.flag("PREPARED_STATEMENTS", default=True) else None,  # the hot path plans once
    **DATABASES["default"].get("OPTIONS", {}),
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Background work: the cluster runs jobs, its ticker queues each sweep as often as said here (seconds)
CLUSTER_WORKERS = env.number("CLUSTER_WORKERS", 2, least=1, most=64)
Q_CLUSTER = {
    "name": "manyhands",
    "orm": "default",
    "workers": CLUSTER_WORKERS,
    "bulk": 1,
    "queue_limit": 2 * CLUSTER_WORKERS,
    "poll": 0.2,
    "timeout": 120,
    "retry": 600,  # > timeout x ((queue_limit + bulk) / workers + 1)
    "max_attempts": 5,
    "save_limit": 1000,
    "scheduler": False,
    "label": "Jobs",
}
SWEEPS = {
    "tasks.jobs.fill": 2,
    "tasks.jobs.expire": 2,
    "tasks.jobs.grade": 2,
    "tasks.jobs.suspect_gold": 5,
    "tasks.jobs.warn_of_gold": 300,
    "tasks.jobs.rescore": 60,
    "tasks.jobs.update_consensus": 2,
    "tasks.jobs.consolidate": 5,
    "tasks.jobs.accept": 2,
    "tasks.jobs.settle": 2,
    "tasks.jobs.tally": 2,
    "tasks.jobs.note_time": 5,
    "tasks.jobs.update_pay": 10,
    "tasks.jobs.top_up": 10,
    "tasks.jobs.close": 5,
    "tasks.jobs.reopen": 5,
    "tasks.jobs.fit_budgets": 2,
    "tasks.jobs.resume_dry": 30,
    "tasks.jobs.widen": 30,
    "tasks.jobs.lift_wishes": 10,
    "tasks.jobs.uphold_overdue": 30,
    "tasks.jobs.apply_rules": 2,
    "tasks.jobs.undo_owed": 60,
    "tasks.jobs.record": 5,
    "tasks.jobs.review_grants": 60,
    "tasks.jobs.expire_reviews": 5,
    "workers.jobs.forget_invitations": 3600,
    "payments.jobs.payouts": 5,
    "payments.jobs.events": 5,
    "payments.jobs.mature": 60,
    "payments.jobs.prepayments": 5,
    "payments.jobs.refunds": 5,
    "payments.jobs.disputes": 5,
    "tasks.jobs.tell_of_disputes": 5,
    "tasks.jobs.tell_of_payouts": 5,
    "tasks.jobs.tell_of_invoices": 60,
    "tasks.jobs.tell_of_top_ups": 60,
    "payments.jobs.scheduled_payouts": 60,
    "payments.jobs.payout_accounts": 60,
    "payments.jobs.count_months": 30,
    "payments.jobs.invoices": 60,
    "payments.jobs.forget_billed": 3600,
    "payments.jobs.reconcile": 24 * 3600,
    "payments.jobs.seal": 24 * 3600,
    "tasks.jobs.tell_of_differences": 60,
    "workers.jobs.mail_notices": 5,
    "marketplace.jobs.imports": 5,
    "marketplace.jobs.forget_replies": 3600,
    "marketplace.jobs.forget_counts": 60,
    "marketplace.jobs.forget_failed_jobs": 600,
}

# Records that workers take with them
RECORD_SIGNING_KEY = env.parsed("RECORD_SIGNING_KEY", signing.private_key) or (
    None if PRODUCTION else signing.derived(SECRET_KEY)  # without one, a site that others use signs nothing
)
RECORD_OLD_KEYS = env.json_file("RECORD_OLD_KEYS", signing.keys_of, {"keys": []})
TRUSTED_RECORD_ISSUERS = env.json_file("TRUSTED_RECORD_ISSUERS", signing.trusted_of, {})
RECORD_VALID_DAYS = env.number("RECORD_VALID_DAYS", 365, least=1, most=3650)
PAY_RECORDS_YEARS = env.number("PAY_RECORDS_YEARS", 10, least=1, most=100)

# Eyes on it
CLUSTER_SILENT_MOST_S = env.number("CLUSTER_SILENT_MOST_S", 30, least=5)
SWEEP_LAG_MOST_S = env.number("SWEEP_LAG_MOST_S", 60, least=1)
METRICS_TOKEN = env.text("METRICS_TOKEN")  # without it, metrics are for this machine alone
LOG_FORMAT = env.one_of("LOG_FORMAT", "lines", "json")

# Accounts
AUTH_USER_MODEL = "marketplace.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "optional"  # the unconfirmed may draft, not publish or be paid
ACCOUNT_CONFIRM_EMAIL_ON_GET = False
ACCOUNT_LOGOUT_REDIRECT_URL = "/"
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_ADAPTER = "marketplace.sign_in.Adapter"
ACCOUNT_RATE_LIMITS = False  # they count in each process for itself; see LIMITS
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[Manyhands] "
HEADLESS_ADAPTER = "marketplace.api.headless.Adapter"
HEADLESS_CLIENTS = ["app"]
LOGIN_REDIRECT_URL = "/"
LOGIN_URL = "account_login"
EMAIL_URL = env.text("EMAIL_HOST")
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if EMAIL_URL else 'filebased'}.EmailBackend"
EMAIL_FILE_PATH = STATE / "mail"
EMAIL_HOST = EMAIL_URL or "localhost"
EMAIL_PORT = env.number("EMAIL_PORT", 25, most=65535)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS")
EMAIL_TIMEOUT = env.number("EMAIL_TIMEOUT_S", 10, least=1, most=30)  # of each step; a letter takes some ten of them
NOTICE_LETTERS_APART_S = env.number("NOTICE_LETTERS_APART_S", 300)  # to one person; what comes meanwhile goes together
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "Manyhands <noreply@localhost>")

# API
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "marketplace.api.authentication.ApiKeyAuthentication",
        "allauth.headless.contrib.rest_framework.authentication.XSessionTokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["marketplace.api.authentication.HasScope"],
    "DEFAULT_THROTTLE_CLASSES": ["marketplace.api.throttles.PerCaller"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["marketplace.api.parsers.StrictJSONParser"],
    "DEFAULT_METADATA_CLASS": None,  # what there is, the OpenAPI description says; OPTIONS is refused
    "DEFAULT_PAGINATION_CLASS": "marketplace.core.paging.Keyset",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "marketplace.core.problems.respond",
    "PAGE_SIZE": 50,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Manyhands",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "marketplace.api.openapi.with_problems",
        "marketplace.api.openapi.with_anything_once",
    ],
    "ENUM_NAME_OVERRIDES": {
        "ExampleKindEnum": "marketplace.models.GuidelineExample.Kind",
        "MoneyStateEnum": "payments.models.Payout.State",
        "PrepaymentStateEnum": "payments.models.Prepayment.State",
        "PrepaymentWayEnum": "payments.models.Prepayment.Way",
        "RefundStateEnum": "payments.models.Refund.State",
        "RefundWayEnum": "payments.models.Refund.Way",
        "PayoutScheduleEnum": "payments.models.PayoutSchedule.Every",
        "ConversationStateEnum": "tasks.models.Conversation.State",
        "ReportStateEnum": "tasks.models.Report.State",
        "ReasonCodeEnum": "tasks.models.Decision.Reason",
        "ReportReasonEnum": "tasks.models.Report.Reason",
        "CohortStateEnum": "tasks.models.Cohort.State",
        "CredentialRequestStateEnum": "workers.models.CredentialRequest.State",
        "QualificationKindEnum": "workers.models.Qualification.Kind",
        "InvoiceKindEnum": "payments.models.Invoice.Kind",
        "GroupKindEnum": "workers.models.Group.Kind",
        "RequirementStateEnum": [("met", "met"), ("missing", "missing"), ("unknown", "unknown")],
    },
}

# Files and pages
STATIC_URL = "/static/"
STATICFILES_DIRS = [("pictures", ROOT / "docs" / "pictures")]
STATIC_ROOT = env.text("STATIC_ROOT") or None  # without it, files are served from where they lie
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
MEDIA_ROOT = Path(env.text("MEDIA_ROOT") or STATE / "media")
MEDIA_URL = "/media/"  # never served: imports are read by jobs only
CONTENT_SECURITY_POLICY = "; ".join(
    [
        *("default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "font-src 'self'"),
        *("connect-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"),
    ]
)
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PRODUCTION
BEHIND_PROXY = env.flag("BEHIND_PROXY")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
SECURE_HSTS_SECONDS = 31_536_000 if PRODUCTION else 0
X_FRAME_OPTIONS = "DENY"
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
SILENCED_SYSTEM_CHECKS: list[str] = []
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "lines": {"format": "{asctime} {levelname} {name} {message}", "style": "{"},
        "json": {"()": "marketplace.core.logs.JsonLines"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": env.text("LOG_LEVEL", "INFO").upper()},
    "loggers": {
        "django.request": {"level": "ERROR"},
        "django-q": {"level": "WARNING"},
        "stripe": {"level": "WARNING"},  # below it repeats what people typed
        "request": {"level": "INFO" if LOG_FORMAT == "json" else "WARNING"},
    },
}
