#!/usr/bin/env bash
# nginx serves a site with a long name, and refuses its whole configuration as soon as any second site, whatever
# its name, listens on the same port.
#
# One would guess: a server name that nginx has accepted for months is not too long for it; and the message
# "could not build server_names_hash" is about the site that was added, or about how many there are.
# What happens: nginx builds its table of names only for an address that several servers share. A server that is alone
# takes every request, so its name goes into no table, and may have any length. The second server on the port
# makes nginx build the table, and then a name of 47 characters or more does not fit into a bucket of 64 bytes. The
# message names neither site. `server_names_hash_bucket_size` is rounded up to a multiple of 64: 65 means 128, and
# 32 means 64. On another port the second site does no harm.
#
# Seen on 2026-12-01, nginx 1.22.1 of Debian 12 (x86-64), `nginx -t`:
#   47 characters, alone                              test is successful
#   47 characters, a second site on another port      test is successful
#   47 characters, a second site on its port          could not build server_names_hash
#   46 characters, a second site on its port          test is successful
#   47 characters, the same, bucket size 32           could not build server_names_hash
#   47 characters, the same, bucket size 65           test is successful
#
#   findings/nginx-second-site-makes-a-name-too-long.sh
#
# Unpacks Debian's package `nginx` into a temporary folder, which is not installed; nothing is started. Needs a Debian.
# Exit status 0: as written here. 1: something else was seen.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
# Downloads go by an account that may not write here as root does; apt says so and goes on.
apt-get download nginx >/dev/null 2>&1
dpkg-deb -x nginx_*.deb root
nginx=root/usr/sbin/nginx
"$nginx" -v

# try LENGTH SECOND-SITE BUCKET: what nginx says of the configuration.
try() {
    local name second=$2 bucket=$3
    name=$(printf 'a%.0s' $(seq 1 $(($1 - 4)))).com
    cat >nginx.conf <<END
pid $folder/nginx.pid;
error_log $folder/error.log;
events { }
http {
    access_log off;
    client_body_temp_path $folder/body;
    proxy_temp_path $folder/proxy;
    fastcgi_temp_path $folder/fastcgi;
    uwsgi_temp_path $folder/uwsgi;
    scgi_temp_path $folder/scgi;
    $bucket
    server { listen 127.0.0.1:8099; server_name $name; }
    $second
}
END
    { "$nginx" -t -p "$folder" -c "$folder/nginx.conf" 2>&1 || true; } |
        grep -o 'could not build server_names_hash\|test is successful' | head -1
}

failed=0
expect() {
    local seen
    seen=$(try "$2" "$3" "$4")
    printf '%-48s %s\n' "$1" "$seen"
    [ "$seen" = "$5" ] || failed=1
}

same='server { listen 127.0.0.1:8099; server_name b.example; }'
other='server { listen 127.0.0.1:8098; server_name b.example; }'
refused='could not build server_names_hash'
taken='test is successful'
expect '47 characters, alone' 47 '' '' "$taken"
expect '47 characters, a second site on another port' 47 "$other" '' "$taken"
expect '47 characters, a second site on its port' 47 "$same" '' "$refused"
expect '46 characters, a second site on its port' 46 "$same" '' "$taken"
expect '47 characters, the same, bucket size 32' 47 "$same" 'server_names_hash_bucket_size 32;' "$refused"
expect '47 characters, the same, bucket size 65' 47 "$same" 'server_names_hash_bucket_size 65;' "$taken"
exit $failed
