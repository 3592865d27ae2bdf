"""From a Caddyfile to what will run PHP; nothing is started."""

from __future__ import annotations

import os
from collections.abc import Iterable

import pytest

from tests.support.php_site import generation_of
from tornado_realtime.errors import ConfigError
from tornado_realtime.server.generation import Generation
from tornado_realtime.site.directives.php import PhpStep
from tornado_realtime.site.directives.php_build import served_folder
from tornado_realtime.site.phpfpm import PhpFpm
from tornado_realtime.site.phpfpm_setup import FpmOptions, default_workers
from tornado_realtime.site.plan import Route


def site(body: str, options: str = "") -> str:
    return (f"{{\n{options}\n}}\n" if options else "") + f"http://:8080 {{\n{body}\n}}\n"


def fpms(generation: Generation) -> list[PhpFpm]:
    return [found for found in generation._resources.values() if isinstance(found, PhpFpm)]


def options_of(text: str) -> FpmOptions:
    (fpm,) = fpms(generation_of(text))
    return fpm._options


def test_what_the_caddyfile_says_reaches_php_fpm() -> None:
    options = options_of(
        site(
            "php_server {\nphp_fpm /opt/php-fpm\nsplit .php .inc\n}",
            options="frankenphp {\nnum_threads 5\nphp_ini memory_limit 9M\nphp_ini {\nx.y UTC\n}\n}",
        )
    )
    assert options.program == "/opt/php-fpm"
    assert options.workers == 5
    assert options.ini == (("memory_limit", "9M"), ("x.y", "UTC"))
    assert options.extensions == (".php", ".inc")


def test_defaults() -> None:
    options = options_of(site("php_server"))
    assert (options.program, options.workers, options.ini) == ("", default_workers(), ())


def test_directives_with_the_same_needs_share_one() -> None:
    text = site("handle /a/* {\nphp_server\n}\nphp /b/*\nphp_server")
    assert len(fpms(generation_of(text))) == 1
    assert len(fpms(generation_of(text.replace("php /b/*", "php /b/* {\nphp_fpm other\n}")))) == 2


def test_a_reload_keeps_it_unless_the_environment_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    first = generation_of(site("php_server"))
    second = Generation(first.plan, first)
    assert fpms(second) == fpms(first)
    monkeypatch.setenv("JWT_SECRET_KEY", "another")
    third = Generation(first.plan, second)
    assert fpms(third) != fpms(first)
    assert "another" not in repr(list(third._resources))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("\nphp_server {\nuser who-is-this\n}", "4: there is no user who-is-this on this system"),
        ("php_fastcgi {env.PHP}:9000", "2: upstream {env.PHP}:9000: write HOST:PORT or unix//PATH for PHP"),
        ("php_fastcgi http://php:9000", "2: upstream php:9000: write HOST:PORT or unix//PATH for PHP"),
        (
            "php_fastcgi php:9000 {\nlb_policy first\n}",
            "3: option lb_policy of php_fastcgi is known but not supported",
        ),
    ],
)
def test_what_cannot_be(body: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        generation_of(site(body))
    assert str(caught.value) == f"Caddyfile:{message}"


def test_an_ini_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="Caddyfile:8: php_ini x: "):
        generation_of(site("php_server", options='frankenphp {\nphp_ini x "a\nb"\n}'))


def test_a_php_that_runs_already_needs_none_of_ours() -> None:
    generation = generation_of(site("php_fastcgi unix//run/php.sock [::1]:9000 {\nto php:9001\n}"))
    assert fpms(generation) == []


@pytest.mark.parametrize(
    ("body", "folder"),
    [
        ("php_server", "."),
        ("root * /usr/lib\nphp_server", "/usr/lib"),
        ("handle {\nroot /usr/lib\nphp_server\n}", "/usr/lib"),
        ("root * /usr/lib\nphp_server {\nroot /usr/bin\n}", "/usr/bin"),
        ("root * /srv/{host}\nphp_server", "."),
        ("root @above nowhere\n@above file /x\nphp_server", "."),
    ],
)
def test_whose_folder_it_is(body: str, folder: str) -> None:
    (plan,) = generation_of(site(body)).plan.sites

    class Kit:
        site = plan

    (step,) = php_steps(plan.routes)
    assert served_folder(Kit, step) == os.path.realpath(folder)  # type: ignore[arg-type]


def php_steps(routes: Iterable[Route]) -> list[PhpStep]:
    found: list[PhpStep] = []
    for route in routes:
        found += [route.step] if isinstance(route.step, PhpStep) else []
        found += php_steps(getattr(route.step, "routes", ()))
    return found
