"""Money is an integer number of minor units beside its ISO 4217 code. Currencies are never added together."""

import re
from decimal import Decimal

from plum_site.lib.errors import InvalidInput

AMOUNT = re.compile(r"-?[0-9]{1,13}(?:\.([0-9]{1,4}))?")
LARGEST_MINOR = 10**12

# ISO 4217 exponents that are not 2 (list one of the standard, funds and metals left out).
EXPONENTS = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    **dict.fromkeys("CLF UYW".split(), 4),
}
TWO_DECIMALS = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC "
    "CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD "
    "KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO "
    "NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL "
    "THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"
)
EXPONENTS |= dict.fromkeys(TWO_DECIMALS.split(), 2)


def exponent(currency: str) -> int:
    """Decimals of an ISO 4217 currency; InvalidInput for a code that is none."""
    try:
        return EXPONENTS[currency]
    except KeyError:
        raise InvalidInput("invalid_currency", f"{currency!r} is not an ISO 4217 currency code, such as EUR.") from None


def parse_minor(amount: str, currency: str) -> int:
    """
    A decimal string as minor units of its currency.

    Raises InvalidInput: invalid_amount (not a plain decimal, or over 10^12 minor units), invalid_currency,
    too_many_decimals (more than the currency's exponent; trailing zeros count too).
    """
    places = exponent(currency)
    match = AMOUNT.fullmatch(amount)
    if not match:
        raise InvalidInput("invalid_amount", f"{amount!r} is not an amount. Write it as digits with a point, for example 12.50.")
    if len(match[1] or "") > places:
        raise InvalidInput("too_many_decimals", f"{amount} has more decimals than {currency} has ({places}).")
    minor = int(Decimal(amount).scaleb(places))
    if abs(minor) > LARGEST_MINOR:
        raise InvalidInput("invalid_amount", f"{amount} {currency} is larger than Plum takes (10^12 minor units).")
    return minor


def format_minor(minor: int, currency: str) -> str:
    """Minor units as a decimal string with the currency's exponent: (1250, "EUR") is "12.50"."""
    places = exponent(currency)
    if not places:
        return str(minor)
    sign = "-" if minor < 0 else ""
    whole, rest = divmod(abs(minor), 10**places)
    return f"{sign}{whole}.{rest:0{places}d}"
