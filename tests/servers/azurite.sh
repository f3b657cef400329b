#!/usr/bin/env bash
# Azurite, the emulator of Azure Blob Storage, on the loopback interface.
#
#   azurite.sh install   install the package into AZURITE_HOME (npm)
#   azurite.sh start     start, make the container, print the variables of the
#                        tests: eval "$(tests/servers/azurite.sh start)"
#   azurite.sh stop      end the process that `start` began
#   azurite.sh wipe      stop, then delete the data
#
# Settings: AZURITE_HOME (folder of the package), AZURITE_DIR (folder of the
# data), AZURITE_PORT, AZURITE_CONTAINER, AZURITE_VERSION.
set -euo pipefail

cache=${XDG_CACHE_HOME:-$HOME/.cache}/downlake
home=${AZURITE_HOME:-$cache/azurite}
dir=${AZURITE_DIR:-$cache/azurite-data}
port=${AZURITE_PORT:-10000}
container=${AZURITE_CONTAINER:-downlake-test}
version=${AZURITE_VERSION:-3.35.0}
# The account that Azurite documents for everybody; it protects nothing.
account=devstoreaccount1
key='Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='
endpoint=http://127.0.0.1:$port/$account

fail() { printf 'azurite.sh: %s\n' "$*" >&2; exit 1; }

install_package() {
    mkdir -p "$home"
    printf '{"name":"servers","version":"1.0.0","private":true}\n' >"$home/package.json"
    (cd "$home" && npm install --no-audit --no-fund --silent "azurite@$version") >&2
}

stop() {
    local pid
    [ -s "$dir/pid" ] || return 0
    pid=$(cat "$dir/pid")
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 50); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    rm -f "$dir/pid"
}

# Makes the container with a request signed as the service's reference says
# ("Authorize with Shared Key").
make_container() {
    KEY=$key ACCOUNT=$account URL=$endpoint/$container NAME=$container node - <<'JS'
const { createHmac } = require('node:crypto');
const { KEY, ACCOUNT, URL: url, NAME } = process.env;
const headers = { 'x-ms-date': new Date().toUTCString(), 'x-ms-version': '2021-08-06' };
const named = Object.entries(headers).map(([k, v]) => `${k}:${v}\n`).join('');
const resource = `/${ACCOUNT}/${ACCOUNT}/${NAME}\nrestype:container`;
const text = 'PUT' + '\n'.repeat(12) + named + resource;
const signature = createHmac('sha256', Buffer.from(KEY, 'base64')).update(text).digest('base64');
headers.Authorization = `SharedKey ${ACCOUNT}:${signature}`;
fetch(`${url}?restype=container`, { method: 'PUT', headers }).then(async (answer) => {
  if (answer.status !== 201 && answer.status !== 409) {
    console.error(`cannot make the container: ${answer.status} ${await answer.text()}`);
    process.exit(1);
  }
});
JS
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }

start() {
    local main=$home/node_modules/azurite/dist/src/blob/main.js
    [ -e "$main" ] || fail "not installed in $home: run azurite.sh install"
    stop
    mkdir -p "$dir/blobs"
    setsid node "$main" --blobHost 127.0.0.1 --blobPort "$port" --location "$dir/blobs" \
        --silent --skipApiVersionCheck --disableTelemetry >"$dir/out" 2>&1 </dev/null &
    echo $! >"$dir/pid"
    for _ in $(seq 200); do
        listens && break
        sleep 0.05
    done
    listens || fail "port $port does not answer, see $dir/out"
    make_container
    cat <<VARS
export DOWNLAKE_TEST_AZURE=$endpoint
export DOWNLAKE_TEST_AZURE_CONTAINER=$container
export AZURE_STORAGE_ACCOUNT_NAME=$account
export AZURE_STORAGE_ACCOUNT_KEY=$key
VARS
}

case ${1:-} in
install) install_package ;;
start) start ;;
stop) stop ;;
wipe) stop && rm -rf "$dir" ;;
*) fail "say install, start, stop or wipe" ;;
esac
