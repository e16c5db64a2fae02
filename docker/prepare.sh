#!/bin/sh
# What must be there before `liaison serve`: the key, the clients' secrets, the schema, the network. Harmless to repeat.
set -eu
umask 077
secret() { # a random one in file $1, unless it is there
  [ -s "$1" ] || { mkdir -p "$(dirname "$1")" && head -c 32 /dev/urandom | base64 > "$1.new" && mv "$1.new" "$1"; }
}
cd /var/lib/liaison
secret "$LIAISON_SECRET_KEY_FILE"
for client in saint-eloi coursiers; do
  secret "secrets/$client"
done
sed "s#http://127.0.0.1:8090/fhir#http://hapi:8080/fhir#" /etc/liaison/network.yaml > "$LIAISON_NETWORK_FILE"  # the HAPI beside us
liaison db upgrade
liaison network apply "$LIAISON_NETWORK_FILE"
