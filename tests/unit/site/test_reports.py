from __future__ import annotations

import json

from tests.support.site_plans import FILE, plan_of
from tornado_realtime.caddyfile import parse
from tornado_realtime.site.adapter import adapt
from tornado_realtime.site.tokens_report import plan_report, tokens_report

TEXT = """{
	http_port 8080
}
http://a.example, http://b.example:81 {
	@m {
		path /a/* /b
		not header X y
		file {path}
	}
	log {
		output file /var/log/x.log
	}
	handle @m {
		go_handler {
			broadcast_secret hush-hush
		}
	}
	basic_auth /x {
		bob $2a$14$not-for-everybody
	}
	reverse_proxy /api/* localhost:9000 {
		header_up X-A (b) $1
	}
	handle_errors 5xx {
		respond sorry
	}
}
"""


def test_tokens() -> None:
    document = parse(TEXT, FILE, {})
    report = tokens_report(document, adapt(document))
    assert report["addresses"] == [["http://a.example", "http://b.example:81"]]
    assert report["directives"] == [
        ["log", "handle", "basic_auth", "reverse_proxy", "handle_errors"],
    ]
    one_server = ["authentication", "go_handler", "reverse_proxy", "static_response:sorry"]
    assert report["handlers"] == one_server * 2


def test_a_plan_is_shown_in_plain_words_with_every_default() -> None:
    report = json.loads(json.dumps(plan_report(plan_of(TEXT))))
    first, second = report["servers"]
    assert (first["listen"], second["listen"], first["tls"]) == ([":8080"], [":81"], False)
    (site,) = first["sites"]
    assert site["match"] == [{"host": {"hosts": ["a.example"]}}]
    assert [route["directive"] for route in site["routes"]] == ["basic_auth", "handle", "reverse_proxy"]
    handle = site["routes"][1]
    assert handle["match"]["name"] == "@m"
    assert handle["match"]["path"] == {"patterns": ["/a/*", "/b"]}
    assert handle["match"]["not"]["sets"][0]["header"] == {"fields": [["x", ["y"]]]}
    assert handle["at"] == "Caddyfile:13"
    assert handle["routes"][0]["settings"]["wire"] == "raw"
    assert site["logs"][0]["path"] == "/var/log/x.log"
    assert report["options"]["http_port"] == 8080


def test_secrets_are_not_shown() -> None:
    report = json.dumps(plan_report(plan_of(TEXT)))
    assert "hush" not in report
    assert "everybody" not in report
    assert "(hidden)" in report
