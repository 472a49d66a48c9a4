"""
The made-up program as data: who takes part, who supplies, how people behave, and what goes wrong.

Change a number here and the demo changes; nothing else in this folder knows a name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

CODE = "demo"
NAME = "Northstar Perks"
TIME_ZONE = "Europe/Berlin"
CURRENCY = "EUR"
MONTHS = 13  # full ones, up to the last complete month; the month to date comes on top

ATTRIBUTES = ("business_unit", "region", "country", "grade")
REPORT_BY = ("business_unit", "region")

MEMBER_COUNT = 3000
MOVED_MEMBERS = 60  # change their business unit half-way
BUSINESS_UNITS = {"retail": 40, "logistics": 22, "engineering": 18, "services": 14, "head-office": 6}
GRADES = {"G1": 30, "G2": 28, "G3": 20, "G4": 12, "G5": 7, "G6": 3}
COUNTRIES = {"DE": 38, "AT": 9, "GB": 20, "IE": 7, "SE": 14, "ES": 12}
REGIONS = {"DE": "central", "AT": "central", "GB": "islands", "IE": "islands", "SE": "north", "ES": "south"}
CURRENCIES = {"GB": "GBP", "SE": "SEK"}  # of partners; everywhere else the euro
PRICE_LEVEL = {"EUR": 1.0, "GBP": 0.86, "SEK": 11.0}
FIRST_NAMES = (
    "Ada",
    "Björn",
    "Carmen",
    "Deniz",
    "Elif",
    "Finn",
    "Greta",
    "Hanna",
    "Iker",
    "Jonas",
    "Klara",
    "Liam",
    "Maeve",
    "Nils",
)
LAST_NAMES = ("Acosta", "Berg", "Claes", "Doyle", "Ebner", "Fuchs", "García", "Huber", "Iversen", "Kelly", "Lindqvist", "Moreno")

# How usual each calendar month is, January first.
SEASONS = {
    "Food": (0.95, 0.95, 1.0, 1.0, 1.0, 1.05, 1.0, 0.95, 1.0, 1.0, 1.0, 1.15),
    "Travel": (0.8, 0.9, 1.0, 1.1, 1.2, 1.4, 1.5, 1.3, 0.9, 0.7, 0.6, 0.8),
    "Fashion": (0.9, 0.8, 1.0, 1.1, 1.0, 0.9, 0.9, 0.9, 1.1, 1.0, 1.3, 1.4),
    "Electronics": (0.9, 0.8, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 1.0, 1.0, 1.5, 1.5),
    "Wellness": (1.4, 1.2, 1.1, 1.0, 1.0, 0.9, 0.8, 0.8, 1.0, 1.0, 0.9, 0.9),
    "Home": (0.9, 0.9, 1.1, 1.2, 1.1, 1.0, 0.9, 0.9, 1.0, 1.0, 1.0, 1.0),
    "Entertainment": (1.0, 1.0, 1.0, 0.9, 0.9, 0.8, 0.9, 0.9, 1.0, 1.1, 1.2, 1.3),
    "Learning": (1.3, 1.1, 1.0, 0.9, 0.9, 0.8, 0.7, 0.9, 1.3, 1.2, 1.0, 0.9),
}
BASKETS = {
    "Food": 18,
    "Travel": 160,
    "Fashion": 62,
    "Electronics": 140,
    "Wellness": 35,
    "Home": 70,
    "Entertainment": 28,
    "Learning": 55,
}


UNLOCK = 0.65  # the chance that a member unlocks what they see


@dataclass(frozen=True)
class PartnerProfile:
    """
    One partner: how popular it is (1 is usual), how many of those who see it unlock it, and its story.

    trouble: what goes wrong, from the start of the month `since` months before the last complete one (0: that month).
    state: where it stands today, reached `days_ago`; after being paused or retired nothing of it is seen.
    """

    name: str
    category: str
    country: str
    weight: float = 1.0
    unlock: float = UNLOCK
    trouble: str = ""
    since: int = 0
    state: str = "active"
    days_ago: int = 0


PARTNERS = (
    PartnerProfile("Copper Kettle Coffee", "Food", "DE", 2.0),
    PartnerProfile("Harvest & Rye", "Food", "AT", 1.5),
    PartnerProfile("Saltwater Kitchen", "Food", "GB", 3.8, trouble="delivery", since=1),
    PartnerProfile("Lingon Bakery", "Food", "SE", 1.3),
    PartnerProfile("Tapas Andante", "Food", "ES", 1.3),
    PartnerProfile("Greenleaf Boxes", "Food", "DE", 0.06),
    PartnerProfile("Alpenblick Rail", "Travel", "AT", 2.0),
    PartnerProfile("Skylark Flights", "Travel", "GB", 4.6, trouble="reversals", since=1),
    PartnerProfile("Costa Clara Hotels", "Travel", "ES", 1.5),
    PartnerProfile("Fjord & Forest Cabins", "Travel", "SE", 1.3),
    PartnerProfile("Wayfarer Luggage", "Travel", "DE", 0.07),
    PartnerProfile("Loom & Thread", "Fashion", "DE", 10.0, unlock=0.96, trouble="fatigue", since=2),
    PartnerProfile("Nordkap Outdoor", "Fashion", "SE", 1.5),
    PartnerProfile("Camden Shoes", "Fashion", "GB", 1.5),
    PartnerProfile("Solera Denim", "Fashion", "ES", 1.3),
    PartnerProfile("Button Box", "Fashion", "IE", 0.05),
    PartnerProfile("Volt Electronics", "Electronics", "DE", 2.0),
    PartnerProfile("Pixelhaus", "Electronics", "AT", 1.3),
    PartnerProfile("Brightside Audio", "Electronics", "GB", 3.6, trouble="awareness", since=0),
    PartnerProfile("Norrsken Mobile", "Electronics", "SE", 1.3),
    PartnerProfile("Cable & Plug", "Electronics", "ES", 1.3, state="paused", days_ago=45),
    PartnerProfile("Stillwater Yoga", "Wellness", "DE", 1.5),
    PartnerProfile("Peak Gyms", "Wellness", "GB", 4.0, trouble="friction", since=0),
    PartnerProfile("Bastu Spa", "Wellness", "SE", 1.3),
    PartnerProfile("Aguaviva Baths", "Wellness", "ES", 1.3),
    PartnerProfile("Clover Pharmacy", "Wellness", "IE", 0.07),
    PartnerProfile("Hearth & Beam", "Home", "DE", 2.0),
    PartnerProfile("Linden Furniture", "Home", "AT", 1.3),
    PartnerProfile("Kettle & Cloth", "Home", "GB", 1.3),
    PartnerProfile("Björk Interiors", "Home", "SE", 1.3),
    PartnerProfile("Marquee Tickets", "Entertainment", "GB", 2.0),
    PartnerProfile("Kinowelle", "Entertainment", "DE", 1.5),
    PartnerProfile("Storyline Books", "Entertainment", "IE", 1.3, state="retired", days_ago=150),
    PartnerProfile("Plaza Musica", "Entertainment", "ES", 1.3),
    PartnerProfile("Lexikon Languages", "Learning", "DE", 1.5),
    PartnerProfile("Quill Academy", "Learning", "GB", 3.8, trouble="relevance", since=0),
    PartnerProfile("Polaris Courses", "Learning", "SE", 1.3),
    PartnerProfile("Tinker Kits", "Learning", "AT", 0.06),
    PartnerProfile("Meadow Foods", "Food", "AT", 0.0, state="onboarding", days_ago=18),
    PartnerProfile("Atlas Rentals", "Travel", "DE", 0.0, state="prospect", days_ago=9),
)

# The transitions that lead to each state, in this order; prospects begin as such, all others active.
WAYS = {
    "active": (),
    "paused": ("pause",),
    "retired": ("retire",),
    "prospect": (),
    "onboarding": ("onboard",),
}
COMMENTS = {
    "pause": "Their shop is being rebuilt; back when it is done.",
    "retire": "Contract ended. Codes that members hold stay valid.",
}

OFFER_TYPES = {
    "discount": ("{percent}% off at {name}", "{percent}%"),
    "voucher": ("{amount} {currency} voucher for {name}", "{amount}"),
    "cashback": ("{percent}% back from {name}", "{percent}%"),
    "two_for_one": ("Two for one at {name}", "50%"),
    "free_trial": ("A month of {name} on us", "100%"),
}
# Of each partner: starts and ends, in days from the first day of the demo; None is open.
OFFER_SPANS = ((None, None), (-60, None), (40, 190), (150, None))
PAUSED_OFFERS = {"D05-2": 30, "D27-4": 12}  # days ago
RETIRED_OFFERS = {"D13-4": 75, "D31-2": 100}
REWARD_SHARE = 0.11  # of what was spent, paid by the program

SEGMENTS = {
    "retail-unit": ("Retail people", [{"attribute": "business_unit", "operator": "is", "values": ["retail"]}]),
    "central-region": ("Central region", [{"attribute": "region", "operator": "is", "values": ["central"]}]),
    "senior-grades": ("Grades 4 to 6", [{"attribute": "grade", "operator": "is", "values": ["G4", "G5", "G6"]}]),
}
RANKED_SEGMENT = "retail-unit"

# Chances on the way from one stage to the next, and what goes wrong by itself.
MEDIA = {"carousel": 25, "search": 50, "newsletter": 25}  # only the carousel records impressions
CHANCES = {"view": 0.55, "unlock": UNLOCK, "activate": 0.75, "redeem": 0.7}
FAILURES = {"unlocked": 0.008, "activated": 0.02, "redeemed": 0.015}
REASONS = {
    "unlocked": ("not_eligible", "limit_reached"),
    "activated": ("code_pool_empty", "partner_timeout"),
    "redeemed": ("code_expired", "minimum_not_met", "till_offline"),
}
REVERSAL = 0.02
DUPLICATE = 0.01  # sent again with the next night's file
LATE = 0.02  # arrives up to three weeks late
EVENTS_PER_JOURNEY = 2.47  # what the chances above come to; only for --events

# What a trouble does to the chances of its partner's journeys.
TROUBLES = {
    "awareness": {"seen": 0.2},
    "relevance": {"unlock": 0.22},
    "fatigue": {"activate": 0.4},
    "delivery": {"activation_failures": 0.45},
    "friction": {"redemption_failures": 0.5},
    "reversals": {"reversal": 0.3},
}
WORSE = {"fatigue": {"unlock": 0.6}}  # and a month later


@dataclass(frozen=True)
class Correction:
    """
    A corrective action in the past: a partner's offers were put to the top for one segment, on the third day of the month
    before last, after the review of the month before it.

    comment: of who approved it. response: what it did to the chances of journeys of the segment's members, from the day after.
    """

    partner: str
    segment: str
    reason: str
    comment: str
    response: Mapping[str, float] = field(default_factory=dict)


CORRECTIONS = (
    Correction(
        "Loom & Thread",
        "retail-unit",
        "Retail people still like them, and find them far down in a ranking of their own. To the top, for them alone.",
        "One unit first. If it works there, the others follow.",
        response={"unlock": 0.96, "activate": 0.75},
    ),
    Correction(
        "Copper Kettle Coffee",
        "central-region",
        "Their shops are in the central region: members there should meet them first.",
        "Worth a try.",
    ),
)
REFUSAL = "Their words and pictures are as they were when everybody liked them. We try another place first."

USERS = (
    ("admin", "Ada", "Admin", "program_admin"),
    ("ops", "Otis", "Operations", "partner_ops"),
    ("analyst", "Ana", "Analyst", "analyst"),
    ("auditor", "Aron", "Auditor", "auditor"),
)
RECIPIENT_CATEGORY = "Wellness"  # of the monthly report that somebody without a login gets
CONTACT_NAMES = ("Ines Roth", "Marc Oliver", "Sanna Ek", "Tom Byrne", "Lucía Vega", "Paul Wieser", "Nora Falk", "Jo Whitby")
