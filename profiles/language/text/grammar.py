"""The grammar of conditions as a line of text, and what its words are called in errors."""

from __future__ import annotations

GRAMMAR = r"""
start: any_of
?any_of: all_of (_OR all_of)*
?all_of: one (_AND one)*
?one: _NOT one -> negated
    | "(" any_of ")"
    | _TRAIT "." name [reads] tests -> trait
    | _COMPUTED "." name tests -> computed
    | _IDENTIFIER "." name [tests] -> identifier
    | _SEGMENT "." name -> segment
    | _CONSENT "." name -> consent
    | _FIRST_SEEN _WITHIN DURATION -> first_seen
    | _LAST_SEEN _WITHIN DURATION -> last_seen
    | value [tests] -> measured
?defined: value | _PREDICTED "." name -> predicted
value: COUNT "(" STRING [filters] args ")" -> counted
    | VALUE "(" name _OF STRING [filters] args ")" -> valued
    | _SEQUENCE "(" step (_THEN step)+ args ")" -> sequence
?step: STRING [filters] [after] [within] without -> step
    | _NO STRING [filters] _FOR DURATION -> lacking
?after: _AFTER DURATION
?within: _WITHIN DURATION
without: (_WITHOUT other)*
other: STRING [filters]
args: ("," arg)*
?arg: DURATION -> sliding
    | CALENDAR -> calendar
    | _SAME name -> same
filters: _WHERE any_filter
?any_filter: all_filter (_OR all_filter)* -> any_of
?all_filter: one_filter (_AND one_filter)* -> all_of
?one_filter: _NOT one_filter -> negated
    | "(" any_filter ")"
    | name [reads] tests -> filter
?reads: _AS READING
name: PATH | STRING
tests: test | _IS "(" test (_AND test)* ")"
?test: SYMBOL scalar -> compared
    | SYMBOL DURATION -> compared_times
    | _IN "(" scalar ("," scalar)* ")" -> among
    | WORD scalar -> worded
    | WHEN STRING -> on
    | WHEN DURATION _AGO -> ago
    | WHEN _IN DURATION -> ahead
    | EXISTS -> existing
    | MISSING -> missing
scalar: STRING | NUMBER | TRUE | FALSE

_AND: /and\b/i
_OR: /or\b/i
_NOT.2: /not\b/i
_TRAIT: /trait\b/i
_COMPUTED: /computed\b/i
_IDENTIFIER: /identifier\b/i
_SEGMENT: /segment\b/i
_CONSENT: /consent\b/i
_PREDICTED: /predicted\b/i
_FIRST_SEEN: /first_seen\b/i
_LAST_SEEN: /last_seen\b/i
_SEQUENCE: /sequence\b/i
_THEN: /then\b/i
_NO: /no\b/i
_FOR: /for\b/i
_OF: /of\b/i
_AS: /as\b/i
_AFTER: /after\b/i
_WITHIN: /within\b/i
_WITHOUT: /without\b/i
_SAME: /same\b/i
_WHERE: /where\b/i
_IS: /is\b/i
_IN: /in\b/i
_AGO: /ago\b/i
COUNT: /(count|days|since_first|since_last)\b/i
VALUE: /(sum|average|min|max|distinct|first|last|most_frequent)\b/i
WORD: /(contains|starts_with|ends_with)\b/i
WHEN: /(before|after)\b/i
READING: /(number|text)\b/i
CALENDAR: /(today|yesterday|(this|last)\s+(week|month|quarter|year))\b/i
EXISTS: /exists\b/i
MISSING: /missing\b/i
TRUE: /true\b/i
FALSE: /false\b/i
SYMBOL: /!=|>=|<=|=|>|</
STRING: /'(?:[^']|'')*'/
NUMBER: /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/
DURATION.2: /[1-9][0-9]*[smhdw]\b/
PATH: /[^\W\d][\w-]*(?:\.[\w-]+)*/
%ignore /\s+/
"""
SAID = {
    "$END": "the end",
    "STRING": "a 'text'",
    "NUMBER": "a number",
    "DURATION": "a duration like 7d",
    "PATH": "a name",
    "SYMBOL": "= != > >= < <=",
    "COUNT": "count, days, since_first, since_last",
    "VALUE": "sum, average, min, max, distinct, first, last, most_frequent",
    "WORD": "contains, starts_with, ends_with",
    "WHEN": "before, after",
    "READING": "number, text",
    "CALENDAR": "a time like today or last month",
    "LPAR": "(",
    "RPAR": ")",
    "COMMA": ",",
    "DOT": ".",
}
