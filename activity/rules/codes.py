"""
Why an event or a message was not taken, and what an accepted one is warned of: every code, once, with what to do about it.

The API's description and docs/api/README.md are made from this list; a test holds it against the code that gives them.
"""

ITEM_CODES = {
    "malformed": "Not one JSON object: broken JSON, text that is no UTF-8, a key that stands twice. Mend the sender.",
    "event_too_large": "Larger than 32 KiB. Send less in it.",
    "unknown_type": "The type is none that is taken. See the schema.",
    "unknown_kind": "In a file: the kind is none that is taken.",
    "unknown_field": "A field that the contract does not name. Take it out: it would not be kept.",
    "required": "A field is missing or empty.",
    "invalid": "A field is of the wrong type or form, too long, or does not fit the others.",
    "unknown_status": "The status is none that there is.",
    "invalid_amount": "The amount is no decimal number from 0, or is too large.",
    "invalid_currency": "The currency is no ISO 4217 code.",
    "too_many_decimals": "The amount has more decimals than its currency.",
    "time_in_future": "It lies more than 10 minutes ahead. Set the sender's clock.",
    "unknown_offer": "The program has no such offer. Add it to the catalog and send the event again.",
    "offer_withdrawn": "An unlock of an offer after it, or its partner, was paused or retired; the program refuses such.",
    "unknown_member": "The program takes no unknown members. Load the person; see the detail for what becomes of the event.",
    "conflict": "The id was recorded with other content, which stays. Send a correction under a new id.",
}
WARNING_CODES = {
    "outside_offer_dates": "Accepted, though the offer was not live on that day.",
    "after_withdrawal": "An unlock, accepted though the offer, or its partner, was paused or retired by then.",
}
