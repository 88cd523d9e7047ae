#!/bin/sh
# Installs the system packages that `make demo` (run) or `make test` (test) need, where it may: as root on Debian or
# Ubuntu. Elsewhere it names what is missing and goes on.
set -eu
run="portaudio19-dev python3-dev python3-venv gcc"
test="pulseaudio pulseaudio-utils libasound2-plugins alsa-utils espeak-ng flite festival festvox-kallpc16k \
    festvox-kdlpc16k festvox-us-slt-hts chromium systemd fonts-noto-color-emoji"
case "${1:-run}" in
    run) wanted=$run ;;
    test) wanted="$run $test" ;;
    *) echo "usage: setup.sh run|test" >&2; exit 64 ;;
esac
missing=""
for package in $wanted; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=""
    [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing:$missing"
    apt-get update -qq
    # shellcheck disable=SC2086  the list is words
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "These packages are missing and may be needed:$missing" >&2
    echo "On Debian or Ubuntu: sudo apt-get install$missing" >&2
fi
