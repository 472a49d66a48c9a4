"""How much one client may ask of one web process in a minute, by policy of plum_site/lib/limits.py; 0: as much as it likes."""

from plum_site.settings import _env

RATE_LIMITS = {
    "ingest": _env.quota("PLUM_RATE_INGEST", 240_000, purpose="how many requests with events a token may send in a minute"),
    "ingest-events": _env.quota(
        "PLUM_RATE_INGEST_EVENTS", 12_000_000, purpose="how many events a token may send in a minute", smallest=5000
    ),
    "requests": _env.quota("PLUM_RATE_REQUESTS", 12_000, purpose="how many other requests a token may send in a minute"),
    "link": _env.quota("PLUM_RATE_LINK", 60, purpose="how often the link in one mail may be opened in a minute"),
    "link-address": _env.quota(
        "PLUM_RATE_LINK_ADDRESS", 3000, purpose="how many links of mails may be opened from one network address in a minute"
    ),
    "sign-in": _env.quota("PLUM_RATE_SIGN_IN", 10, purpose="how many wrong passwords may be given for one name in a minute"),
    "sign-in-address": _env.quota(
        "PLUM_RATE_SIGN_IN_ADDRESS", 100, purpose="how many wrong passwords may come from one network address in a minute"
    ),
}
PROXIES = _env.quota("PLUM_PROXIES", 0, purpose="how many proxies before the web part add to X-Forwarded-For")
