"""Sixty strings that want to be more than text."""
from __future__ import annotations

HIT = "window.hit=1"

_MARKUP = [
    f"<script>{HIT}</script>",
    f"</script><script>{HIT}</script>",
    f"<img src=x onerror={HIT}>",
    f"<svg onload={HIT}>",
    f"<svg><script>{HIT}</script></svg>",
    f"<body onload={HIT}>",
    f"<iframe srcdoc='<script>parent.{HIT}</script>'>",
    f"<iframe src=javascript:parent.{HIT}>",
    f"<a href=javascript:{HIT}>x</a>",
    f"<math><mi xlink:href=javascript:{HIT}>",
    f"<details open ontoggle={HIT}>", f"<video><source onerror={HIT}>", f"<audio src onerror={HIT}>",
    f"<input autofocus onfocus={HIT}>", f"<select autofocus onfocus={HIT}>", f"<textarea autofocus onfocus={HIT}>",
    f"<marquee onstart={HIT}>", f"<object data=javascript:{HIT}>", f"<embed src=javascript:{HIT}>",
    f"<form action=javascript:{HIT}><input type=submit>", f"<button formaction=javascript:{HIT}>x</button>",
    f"<link rel=stylesheet href=javascript:{HIT}>", "<style>*{display:none}</style>", "<base href=//evil.example/>",
    f"<meta http-equiv=refresh content='0;url=javascript:{HIT}'>", f"<template><script>{HIT}</script></template>",
    f"<noscript><p title='</noscript><img src=x onerror={HIT}>'>", f"<!--><img src=x onerror={HIT}>-->",
    f"<![CDATA[><script>{HIT}</script>]]>",
    f"<x/onclick={HIT}>",
    f"<xss style=animation-name:x onanimationend={HIT}>",
    f"<IMG SRC=JaVaScRiPt:{HIT}>", f"<img/src=`x`onerror={HIT}>", f"<scr<script>ipt>{HIT}</script>",
]
_BREAKOUTS = [
    f"\"><script>{HIT}</script>",
    f"'><img src=x onerror={HIT}>",
    f"\" onmouseover={HIT} x=\"",
    f"' onfocus={HIT} autofocus='",
    f"`;{HIT};`",
    "${" + HIT + "}",
    "{{" + HIT + "}}",
    "{{constructor.constructor('" + HIT + "')()}}",
    f"');{HIT};('",
    f"\";{HIT};\"",
    f"*/{HIT}/*",
    f"//\n{HIT}",
    "</textarea></title></style>",
    f"javascript:{HIT}",
    f"data:text/html,<script>{HIT}</script>",
    "&lt;script&gt;" + HIT + "&lt;/script&gt;",
    f"&#60;script&#62;{HIT}&#60;/script&#62;",
    f"\\u003cscript\\u003e{HIT}\\u003c/script\\u003e",
]
_TERMINAL = [
    f"\x1b]8;;javascript:{HIT}\x07click\x1b]8;;\x07",
    f"\x1b]0;<script>{HIT}</script>\x07",
    "\x1b[2J\x1b[H\x1b[?25l",
    "\x1bc\x1b[!p",
    f"\x1b[31m<img src=x onerror={HIT}>\x1b[0m",
    "\x1b[38;5;99999999999999999;1m" + "m" * 50,
    "\u202egnp.exe\u202c \u2066x\u2069",
    "\x9b31m\x85\x7f\x08\x08\ufeff\u200b",
]
STRINGS = [*_MARKUP, *_BREAKOUTS, *_TERMINAL]
#: ids that the configuration allows, and that are something else to careless code
IDS = ["constructor", "toString", "hasOwnProperty", "a.b-c_d", "0", "true", "null", "undefined", "length", "all"]
