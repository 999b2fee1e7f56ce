"""The words that are not the field's, each with the one that is, and words that are no verbs."""

import re

KINDS = {
    "tell/told": re.compile(r"\b(tell|tells|telling|told)\b", re.IGNORECASE),
    # At the beginning of a text or of a sentence.
    "opening What/Who/Whether": re.compile(r"(?:^|[.!?]\s+)(What|Who|Whose|Whether)\b"),
    # Without a noun before it, and a pronoun for a person where a program is meant.
    "bare who": re.compile(
        r"(?:^|[.,;:(!?]\s*|\b(?:for|of|to|by|with|from|but|and|or|nor|is|as|than|knows?|tells?|"
        r"says?|asks?|sees?|on|that|only|even|matter|not|whom)\s+)who\b|\bwhoever\b|"
        r"\b(?:he|him|his|she)\b",
        re.IGNORECASE,
    ),
    "illness": re.compile(
        r"\b(ill|illness|sick|sickness|heal|heals|healed|healing|cure[sd]?|mend|mends|mended|"
        r"mending|remed(?:y|ies)|ail|ails|recuperat\w*|(?:is|are|was|were|be|gets?|keeps?) well)\b",
        re.IGNORECASE,
    ),
}
MOST = {"tell/told": 0.5, "opening What/Who/Whether": 0.5, "bare who": 0.1, "illness": 0.0}
# Never, in prose; the field's word is beside each.
PHRASES = {
    "offences?": "field error",
    "desks?": "admission ticket",
    "AGAIN": "BACKLOG, retry",
    "lapse[ds]?|lapsing": "expire, expired",
    "left in peace|leaves? .{1,20} in peace|resting": "circuit breaker open",
    "edge of (?:a|the) (?:period|month|day)|(?:period|month|day)'s edge": "period boundary",
    "former|the present (?:day|period|month|billing)": "previous, current",
    "leavers?|newcomers?|linger(?:s|ed|ing)?|hears? out|sees? off": "closing connection, drain",
    "fold(?:s|ed|ing)?|stamp(?:s|ed)?": "roll up, set expires_at",
    "parted": "watermark",
    "brings? in|brought in": "import",
    "walks?|walked|walking": "listing, page through",
    "at leisure|patient|patiently|in haste|impatient": "background, long or short timeout",
    "crowds?|crowded|round trips? of|halls?": "concurrent requests, queue",
    "one too many": "the limit is reached",
    "rid of": "remove, clear",
}
# Never as a word of a name: of a file, function, class, argument, variable, log event or metric.
NAMES = {
    "ill|illness|sick|heal|healed|mend|mends|mended|mending|remedy|remedies": "unavailable, fix",
    "tell|tells|told|teller": "report, return, payload",
    "offence|offences": "field error",
    "desk|desks": "ticket",
    "lapse|lapses|lapsed|lapsing": "expire, expired",
    "leaver|leavers|newcomer|newcomers|linger|lingering": "closing, new connection, drain",
    "fold|folds|folded|folding|stamp|stamped|parted": "roll up, watermark",
    "place|places": "slot, location",
    "walk|walks|walked|walker": "listing, page through",
    "remember|remembers|remembered": "recently charged, replay cache",
    "leisure|patient|patience|haste|hasty": "background, long timeout",
    "crowd|crowds|crowded|trip|trips|hall": "concurrent requests, round trips",
    "former|peace|resting": "previous, open",
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Bare forms that look like something else.
VERBS = _words(
    "Pass Process Press Miss Guess Discuss Access Address Focus Express Compress Bypass Feed Seed "
    "Need Embed Proceed Exceed Bring Ping Sing String Shed Speed Apply Reply Supply Multiply "
    "Comment Implement Increment Decrement Mention Position Condition Partition Transition "
    "Dismiss Decompress Suppress"
)
NO_VERBS = _words(
    "A An The This That These Those What Who Whose Whom Whoever Whether Which When Where Why How "
    "If As At By For From In Into Of On Over Per To Under Until Up With Without Within Between "
    "I You He She It We They One Two Three Four Five Six Ten Both Each Every All Any Some No Not "
    "None Nothing Never Only Other Another Same True False Either Neither Many Much More Most "
    "Least Here There Then Also Even Just So But And Or Nor Because Since While Yes "
    "Key Text Path Second Instant Response Error Status Body "
    "Organization Caller Application Service Command Server Redis Python Flask Granian Valkey "
    "Our Its Their His Her My Your Own New Old Next Last First"
)
# "Number the turns" begins with a verb, "Number of turns" with a noun.
_OF = re.compile(r"[A-Z][a-z]+ (?:of|that|which|whose)\b")
# "Check that it holds" begins with a verb, "Turns that expire" with a noun.
_VERB_THAT = re.compile(r"(?:Assert|Check|Ensure|Log|Prove|Record|Report|Require) that\b")
_NO_VERB_ENDING = re.compile(r"(?<!s)s$|ed$|ing$|ly$|tion$|ment$|ity$|ness$|ible$")


def is_verb_first(docstring: str) -> bool:
    """Return True if the first word may be a verb in its bare form."""
    first = docstring.split(maxsplit=1)[0].strip(",.:;")
    if first in VERBS:
        return True
    if _OF.match(docstring) and not _VERB_THAT.match(docstring):
        return False
    is_word = re.fullmatch(r"[A-Z][a-z]+(?:-[a-z]+)?", first) is not None
    return is_word and first not in NO_VERBS and not _NO_VERB_ENDING.search(first)
