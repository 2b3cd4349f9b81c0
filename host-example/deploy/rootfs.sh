#!/bin/sh
# Lays out the whole file system of the worker's container: rootfs.sh TARGET [CA-BUNDLE]. Run in the repository's directory after
# make build. There is no shell and no package in it; what it has is listed here.
set -eu
umask 022 # the worker's user must get through the directories
root=$1
bundle=${2:-/etc/ssl/certs/ca-certificates.crt}

mkdir -p "$root/usr/local/bin" "$root/usr/local/libexec/tom/plugins" "$root/etc/ssl/certs" "$root/home/tom"
install -m 0755 bin/host-example "$root/usr/local/bin/"
install -m 0755 bin/plugins/* "$root/usr/local/libexec/tom/plugins/"
install -m 0644 "$bundle" "$root/etc/ssl/certs/ca-certificates.crt"
# The user that the worker runs as, by number in the Dockerfile: an orchestrator that demands "not root" can see it then.
echo 'tom:x:65532:65532::/home/tom:/sbin/nologin' >"$root/etc/passwd"
echo 'tom:x:65532:' >"$root/etc/group"
# Sockets of providers, and checked copies of pinned ones, are in private directories here.
mkdir -p "$root/tmp"
chmod 1777 "$root/tmp"
if [ "$(id -u)" = 0 ]; then chown 65532:65532 "$root/home/tom"; fi
