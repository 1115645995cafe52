#!/usr/bin/env bash
# Installs the Debian packages that are missing: those that building needs ("build"), those that
# the tests need as well ("test"), those of the fuzz targets ("fuzz"), or those that are measured
# beside ("bench").
set -euo pipefail

# libkrb5-dev and libclang-dev are for the cargo feature gssapi, libpam0g-dev for mailroost-pam.
build=(gcc libc6-dev libssl-dev pkg-config libkrb5-dev libclang-dev libpam0g-dev)
clients=(curl fetchmail mpop getmail6 openssl python3 perl)
# Other servers: one that sessions are handed on to.
servers=(dovecot-pop3d)
# Kerberos: a KDC of the tests' own, its tools, and a clock that is wrong.
kerberos=(krb5-kdc krb5-admin-server krb5-user faketime)
# A directory that passwords are asked of.
directories=(slapd)
# An MTA that delivers over LMTP, and a program that looks like one.
mail=(postfix swaks)
# NTLM: Samba's helper, and a client of Windows' shape.
ntlm=(winbind gss-ntlmssp python3-gssapi)
# What looks at it from outside.
scanners=(testssl.sh nmap)
# What reads the log.
banners=(fail2ban)
# libFuzzer is C++.
fuzzers=(g++)
# What judges the unit.
units=(systemd)
# What counts instructions.
counters=(valgrind)

# The servers that are compared; two more are unpacked by the benchmark, as they conflict.
peers=(dovecot-pop3d dovecot-lmtpd courier-base courier-authdaemon courier-authlib-userdb openssl)

case "${1:-}" in
  build) wanted=("${build[@]}") ;;
  test)
    wanted=("${build[@]}" "${clients[@]}" "${servers[@]}" "${kerberos[@]}" "${directories[@]}")
    wanted+=("${mail[@]}" "${ntlm[@]}" "${scanners[@]}" "${banners[@]}" "${fuzzers[@]}" "${units[@]}")
    wanted+=("${counters[@]}")
    ;;
  fuzz) wanted=("${build[@]}" "${fuzzers[@]}") ;;
  bench) wanted=("${build[@]}" "${peers[@]}") ;;
  *)
    echo "usage: ${0##*/} build|test|fuzz|bench" >&2
    exit 64
    ;;
esac

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "mailroost: this is not Debian; if something is missing, it is one of: ${wanted[*]}" >&2
  exit 0
fi

missing=()
for package in "${wanted[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" = 0 ]; then
  as_root=()
elif command -v sudo >/dev/null; then
  as_root=(sudo)
else
  echo "mailroost: packages are missing; as root: apt-get install ${missing[*]}" >&2
  exit 77
fi

echo "mailroost: installing ${missing[*]}" >&2
# Tests start servers of their own: the packages shall start none.
case " ${missing[*]} " in
  *" slapd "*)
    if [ ! -e /usr/sbin/policy-rc.d ]; then
      printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee /usr/sbin/policy-rc.d >/dev/null
      "${as_root[@]}" chmod 755 /usr/sbin/policy-rc.d
      trap '"${as_root[@]}" rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    ;;
esac
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
# Tests start a Postfix of their own; the system's is not set up and does not run.
if command -v debconf-set-selections >/dev/null; then
  echo "postfix postfix/main_mailer_type select No configuration" \
    | "${as_root[@]}" debconf-set-selections
fi
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -qq --no-install-recommends "${missing[@]}"
