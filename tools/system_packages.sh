#!/bin/sh
# Install what is missing from the distribution's packages, where the rights are there; else say what to install.
# Usage: system_packages.sh run|test
set -eu
PATH="$PATH:/usr/sbin:/usr/local/sbin"

missing=""
need() { # need PACKAGE COMMAND...: PACKAGE is missing unless one of the commands exists
    package=$1; shift
    for command in "$@"; do
        for candidate in $(command -v "$command" 2>/dev/null) /usr/sbin/"$command"[0-9]*; do
            [ -x "$candidate" ] && return 0
        done
    done
    missing="$missing $package"
}

need php-fpm php-fpm
if [ "${1:-run}" = test ]; then
    need php-cli php
    need build-essential cc
    need redis-server redis-server
    need nginx-light nginx
    need haproxy haproxy
    need systemd systemd-analyze
    need curl curl
    need openssl openssl
    need chromium chromium chromium-browser
fi
[ -z "$missing" ] && exit 0

if command -v apt-get >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ]; then sudo=""; elif sudo -n true 2>/dev/null; then sudo="sudo -n"; else sudo="no"; fi
    if [ "$sudo" != no ]; then
        echo "installing:$missing"
        $sudo apt-get update -qq
        DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
        exit 0
    fi
fi
echo "missing:$missing - install these packages with your system's package manager, then try again" >&2
exit 1
