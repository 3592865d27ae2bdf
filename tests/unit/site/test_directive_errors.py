from __future__ import annotations

import pytest

from tests.support.site_plans import body_error


@pytest.mark.parametrize(
    ("body", "message"),
    [
        # flow
        ("abort x", "2: wrong number of arguments after abort; write: abort [MATCHER]"),
        ("abort {\n}", "2: abort takes no block"),
        ("handle x {\n}", "2: wrong number of arguments after handle; write: handle [MATCHER] { ... }"),
        ("handle /a /b {\n}", "2: wrong number of arguments after handle"),
        ("handle {\nnope\n}", "3: unknown directive nope"),
        ("route x {\n}", "2: wrong number of arguments after route"),
        (
            "handle_path {\n}",
            "2: wrong number of arguments after handle_path; write: handle_path /PATH/* { ... }",
        ),
        ("handle_path api {\n}", "2: handle_path needs a path that begins with /, not api"),
        ("handle_path * {\n}", "2: handle_path needs a path that begins with /, not *"),
        ("error", "2: wrong number of arguments after error; write: error [MATCHER] [MESSAGE] STATUS"),
        ("error a b c", "2: wrong number of arguments after error"),
        ("error a {\nmessage b\n}", "3: the message of error is given twice"),
        ("error 404 {\nbody b\n}", "3: unknown option body of error"),
        ("handle_errors 40 {\n}", "2: 40 is no status: write 404 or 4xx"),
        ("handle_errors /a {\n}", "2: /a is no status"),
        # respond
        ("respond", "2: wrong number of arguments after respond"),
        ("respond /a", "2: wrong number of arguments after respond"),
        ("respond a {\nbody b\n}", "3: the body of respond is given twice"),
        ("respond 200 {\nclose\nclose\n}", "4: close is given twice"),
        ("respond 200 {\ncloze\n}", "3: unknown option cloze of respond, did you mean 'close'?"),
        ("redir", "2: wrong number of arguments after redir"),
        ("redir a 200", "2: redir code 200 is not in the range 300 to 399, nor 401"),
        ("redir a moved", "2: redir code moved: write permanent, temporary, html, or a number 300 to 399"),
        ("redir a 301 x", "2: wrong number of arguments after redir"),
        # headers
        ("header A b c d", "2: wrong number of arguments after header"),
        ("header A b {\nC d\n}", "3: header takes its fields either on its line or in its block, not both"),
        (
            "header {\nA b c d\n}",
            "3: wrong number of arguments after A; write: [+-?>]FIELD [VALUE [REPLACEMENT]]",
        ),
        ("header {\nA b {\n}\n}", "3: A takes no block"),
        ("header {\nmatch stat 200\n}", "3: unknown response matcher stat, did you mean 'status'?"),
        ("header {\nmatch status 2x\n}", "3: 2x is no status: write 200 or 4xx"),
        ("header A ( b", "2: '(' is no regular expression"),
        ("request_header", "2: wrong number of arguments after request_header"),
        ("request_header ?A b", "2: ?A: ? is for headers of the answer only; use a matcher instead"),
        # rewrites
        ("rewrite", "2: wrong number of arguments after rewrite; write: rewrite [MATCHER] TO"),
        ("rewrite a b", "2: a is no matcher (*, /path or @name); write: rewrite [MATCHER] TO"),
        ("rewrite a b c", "2: wrong number of arguments after rewrite"),
        ("root", "2: wrong number of arguments after root; write: root [MATCHER] PATH"),
        ("root srv www", "2: srv is no matcher"),
        ("method", "2: wrong number of arguments after method"),
        ("method GET POST", "2: wrong number of arguments after method"),
        ("uri", "2: wrong number of arguments after uri"),
        (
            "uri strip",
            "2: unknown uri operation strip: it must be one of strip_prefix, strip_suffix, replace",
        ),
        (
            "uri strip_prefix",
            "2: wrong number of arguments after uri; write: uri [MATCHER] strip_prefix TEXT",
        ),
        ("uri replace a", "2: wrong number of arguments after uri"),
        ("uri replace a b c", "2: 'c' is not a whole number"),
        ("uri path_regexp ( b", "2: '(' is no regular expression"),
        ("uri query a", "2: wrong arguments after uri query"),
        ("uri query -a b", "2: wrong arguments after uri query"),
        ("uri query a b c d", "2: wrong arguments after uri query"),
        ("uri strip_prefix /a {\n}", "2: uri takes no block"),
        ("try_files", "2: wrong number of arguments after try_files"),
        ("try_files a {\npolicy best\n}", "3: unknown try_files policy best"),
        (
            "try_files a {\nplicy first_exist\n}",
            "3: unknown option plicy of try_files, did you mean 'policy'?",
        ),
        # files
        ("file_server brows", "2: unknown argument brows of file_server, did you mean 'browse'?"),
        ("file_server browse x", "2: wrong number of arguments after file_server"),
        ("file_server {\nhidden x\n}", "3: unknown option hidden of file_server, did you mean 'hide'?"),
        ("file_server {\nindex\n}", "3: wrong number of arguments after index"),
        ("file_server {\nprecompressed lz\n}", "3: unknown encoding lz: it must be one of br, zstd, gzip"),
        ("file_server {\nbrowse {\nsort colour\n}\n}", "4: unknown sort option colour"),
        (
            "file_server {\nbrowse x.html\n}",
            "3: browse with a template of your own is known but not supported",
        ),
        ("file_server browse {\nbrowse\n}", "3: browse is given twice"),
        ("file_server {\nfs x\n}", "3: option fs of file_server is known but not supported"),
        # access, encode, vars
        ("basic_auth md5 {\n}", "2: unknown hash md5: it must be one of bcrypt"),
        ("basic_auth argon2id {\n}", "2: hash argon2id is known but not supported; use bcrypt"),
        ("basic_auth {\nbob\n}", "3: wrong number of arguments after bob; write: NAME HASH"),
        ("encode lz", "2: unknown encoding lz"),
        ("encode {\nminimum_length x\n}", "3: 'x' is not a whole number"),
        ("encode {\ngzip 10\n}", "3: 10 is out of range: it must be between 1 and 9"),
        ("encode {\nzstd {\nlevel 3\n}\n}", "4: unknown zstd level 3"),
        ("encode {\nminimum 3\n}", "3: unknown option minimum of encode, did you mean 'minimum_length'?"),
        ("vars a", "2: wrong number of arguments after vars; write: vars [MATCHER] NAME VALUE"),
        ("vars {\na\n}", "3: wrong number of arguments after a"),
        # tls
        ("tls", "2: tls without files is known but not supported"),
        ("tls me@example.com", "2: tls me@example.com is known but not supported"),
        ("tls a b c", "2: wrong number of arguments after tls; write: tls CERTIFICATE_FILE KEY_FILE"),
        ("tls a b {\nclient_auth {\n}\n}", "3: option client_auth of tls is known but not supported"),
        ("tls a b {\nprotocol tls1.2\n}", "3: unknown option protocol of tls, did you mean 'protocols'?"),
        ("tls a b {\nprotocols tls1.0\n}", "3: unknown TLS version tls1.0"),
        # php
        ("php_server x", "2: wrong number of arguments after php_server"),
        ("php_server {\nfile_server on\n}", "3: unknown value on of file_server"),
        ("php_server {\nenv A\n}", "3: wrong number of arguments after env; write: env KEY VALUE"),
        ("php_server {\nresolve_root_symlink yes\n}", "3: unknown value yes"),
        ("php_server {\nuser\n}", "3: wrong number of arguments after user; write: user NAME"),
        ("php {\nindex x\n}", "3: unknown option index of php"),
        (
            "php_fastcgi",
            "2: wrong number of arguments after php_fastcgi; write: php_fastcgi [MATCHER] ADDRESS",
        ),
        (
            "php_fastcgi a:1 {\nsplitt .php\n}",
            "3: unknown option splitt of php_fastcgi, did you mean 'split'?",
        ),
        ("php_fastcgi a:1 {\ndial_timeout 3\n}", "3: duration '3' has no unit"),
        # proxy
        (
            "reverse_proxy a:1 {\nlb_polcy first\n}",
            "3: unknown option lb_polcy of reverse_proxy, did you mean",
        ),
        ("reverse_proxy a:1 {\nlb_policy frist\n}", "3: unknown lb_policy frist, did you mean 'first'?"),
        (
            "reverse_proxy a:1 {\nhandle_response {\n}\n}",
            "3: option handle_response of reverse_proxy is known but",
        ),
        ("reverse_proxy a:1 {\n@x status 500\n}", "3: option @x of reverse_proxy is known but not supported"),
        ("reverse_proxy a:1 {\nheader_up\n}", "3: wrong number of arguments after header_up"),
        ("reverse_proxy a:1 {\nhealth_status ok\n}", "3: ok is no status"),
        ("reverse_proxy a:1 {\ntransport h2\n}", "3: unknown transport h2"),
        ("reverse_proxy a:1 {\ntransport http {\nversions 2\n}\n}", "4: transport http speaks HTTP/1.1 only"),
        (
            "reverse_proxy a:1 {\ntransport http {\nresolvers x\n}\n}",
            "4: option resolvers of transport http is known",
        ),
        (
            "reverse_proxy a:1 {\ntransport fastcgi {\nslit x\n}\n}",
            "4: unknown option slit of transport fastcgi",
        ),
        ("reverse_proxy ws://a", "2: upstream ws://a: ws:// is for browsers only; write http://"),
        ("reverse_proxy h2c://a", "2: upstream h2c://a: HTTP/2 to upstreams is not supported"),
        ("reverse_proxy ftp://a", "2: upstream ftp://a: the scheme must be http or https"),
        ("reverse_proxy http://a/x", "2: upstream http://a/x: only scheme, host and port are allowed here"),
        ("reverse_proxy http://a:443", "2: upstream http://a:443: scheme http:// contradicts port 443"),
        ("reverse_proxy a:1-9", "2: upstream a:1-9: ranges of ports are known but not supported"),
        ("reverse_proxy a:x", "2: upstream a:x: 'x' is no port"),
        ("reverse_proxy a/b", "2: upstream a/b: write HOST:PORT without a path"),
        ("reverse_proxy http://a https://b", "2: all upstreams of reverse_proxy must have the same scheme"),
        # matchers
        ("@a path", "2: wrong number of arguments after path; write: path PATTERN..."),
        ("@a path /x {\ny\n}", "2: path takes no block"),
        ("@a path /[", "2: path pattern /[: a class [...] that is not closed"),
        (
            "@a header A",
            "2: wrong number of arguments after header; write: header FIELD VALUE, or header !FIELD",
        ),
        ("@a header !A b", "2: header !A means that there is no such field, so it takes no value"),
        ("@a header !", "2: a field name is missing after ! in this header matcher"),
        ("@a query x", "2: query x: write KEY=VALUE, or KEY=* for any value"),
        ("@a remote_ip 1.2.3", "2: '1.2.3' is no address or network"),
        ("@a remote_ip forwarded", "2: forwarded is no longer supported; use the client_ip matcher instead"),
        ("@a protocol gopher", "2: unknown protocol gopher"),
        ("@a not", "2: not needs a matcher"),
        ("@a not {\nphat /x\n}", "3: unknown matcher phat, did you mean 'path'?"),
        ("@a {\npath_regexp a\npath_regexp b\n}", "4: path_regexp can be used only once in a matcher"),
        ("@a {\nheader_regexp A b\nheader_regexp A c\n}", "4: header_regexp can be used only once for A"),
        ("@a file {\ntry_policy best\n}", "3: unknown try_policy best"),
        ("@a file {\nrot x\n}", "3: unknown option rot of the file matcher, did you mean 'root'?"),
        ("@a vars x", "2: wrong number of arguments after vars"),
        ("@a tls", "2: matcher tls is known but not supported"),
        ("@a not expression x", "2: expression matchers are not supported"),
        ("respond @a x", "2: unknown matcher @a"),
    ],
)
def test_the_error_names_the_line_the_word_and_the_way_out(body: str, message: str) -> None:
    assert body_error(body).startswith(f"Caddyfile:{message}")


@pytest.mark.parametrize(
    "name", ["templates", "map", "forward_auth", "invoke x", "log_append a b", "push", "tracing"]
)
def test_what_caddy_has_and_this_server_lacks_says_so(name: str) -> None:
    word = name.split()[0]
    assert body_error(f"{name} {{\nanything at all\n}}") == (
        f"Caddyfile:2: directive {word} is known but not supported"
    )
