#!/usr/bin/env bash
# A Ceph RADOS gateway on the loopback interface: the S3 store of the storage tests.
#
#   rgw.sh install   put Ceph's packages on a Debian machine (apt, as root)
#   rgw.sh start     start with an empty store, make the bucket, print the
#                    variables of the tests: eval "$(tests/servers/rgw.sh start)"
#   rgw.sh stop      end the daemons that `start` began
#   rgw.sh wipe      stop, then delete the folder
#
# Settings: RGW_DIR (folder of data, logs and process ids), RGW_PORT,
# RGW_MON_PORT (and the next port), RGW_BUCKET, AWS_ACCESS_KEY_ID,
# AWS_SECRET_ACCESS_KEY. Objects live in memory and are gone after `stop`.
set -euo pipefail

dir=${RGW_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/downlake/rgw}
port=${RGW_PORT:-7480}
mon_port=${RGW_MON_PORT:-6789}
bucket=${RGW_BUCKET:-downlake-test}
key=${AWS_ACCESS_KEY_ID:-downlaketest}
secret=${AWS_SECRET_ACCESS_KEY:-downlaketestsecret0123456789}
endpoint=http://127.0.0.1:$port
conf=$dir/ceph.conf

say() { printf '%s\n' "$*" >&2; }
fail() { say "rgw.sh: $*"; exit 1; }

# Repeats a command until it succeeds, at most for the given seconds.
await() {
    local seconds=$1 deadline
    shift
    deadline=$((SECONDS + seconds))
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.1
    done
}

install_packages() {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        ceph-common ceph-mon ceph-osd radosgw curl >&2
}

gone() { ! kill -0 "$1"; }

stop() {
    local name pid
    for name in rgw osd mon; do
        [ -s "$dir/$name.pid" ] || continue
        pid=$(cat "$dir/$name.pid")
        kill "$pid" 2>/dev/null || true
        await 5 gone "$pid" || kill -9 "$pid" 2>/dev/null || true
        rm -f "$dir/$name.pid"
    done
}

# Starts a daemon in the foreground of a session of its own and notes its id.
daemon() {
    local name=$1
    shift
    setsid "$@" -c "$conf" -f >"$dir/$name.out" 2>&1 </dev/null &
    echo $! >"$dir/$name.pid"
}

write_conf() {
    cat >"$conf" <<CONF
[global]
fsid = $1
mon_initial_members = a
mon_host = [v2:127.0.0.1:$((mon_port + 1)),v1:127.0.0.1:$mon_port]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_ipv6 = false
keyring = $dir/keyring
run_dir = $dir
crash_dir = $dir
admin_socket = $dir/\$name.asok
log_file = $dir/\$name.log
auth_allow_insecure_global_id_reclaim = false
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
[mon]
mon_data = $dir/mon
mon_data_avail_crit = 1
mon_data_avail_warn = 2
paxos_propose_interval = 0.05
paxos_min_wait = 0.01
[osd]
osd_data = $dir/osd
osd_objectstore = memstore
memstore_device_bytes = 2147483648
osd_class_load_list = *
osd_class_default_list = *
[client.rgw]
rgw_data = $dir/gateway
rgw_frontends = beast endpoint=127.0.0.1:$port tcp_nodelay=1
rgw_thread_pool_size = 64
rgw_run_sync_thread = false
rgw_enable_quota_threads = false
rgw_dynamic_resharding = false
CONF
}

make_keys() {
    local ring=$dir/keyring
    ceph-authtool -C "$ring" --gen-key -n mon. --cap mon 'allow *'
    ceph-authtool "$ring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *'
    ceph-authtool "$ring" --gen-key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *'
    ceph-authtool "$ring" --gen-key -n client.rgw --cap mon 'allow rw' --cap osd 'allow rwx'
}

start_monitor() {
    local fsid=$1
    monmaptool --create --clobber --fsid "$fsid" \
        --addv a "[v2:127.0.0.1:$((mon_port + 1)),v1:127.0.0.1:$mon_port]" "$dir/monmap"
    ceph-mon -c "$conf" --mkfs -i a --monmap "$dir/monmap" --keyring "$dir/keyring"
    daemon mon ceph-mon -i a
    await 30 ceph -c "$conf" --connect-timeout 2 mon stat || fail "the monitor does not answer, see $dir/mon.out"
}

osd_is_up() { ceph -c "$conf" osd stat | grep -q '1 up'; }

start_osd() {
    local id
    id=$(cat /proc/sys/kernel/random/uuid)
    ceph -c "$conf" osd new "$id"
    ceph-osd -c "$conf" -i 0 --mkfs --osd-uuid "$id"
    daemon osd ceph-osd -i 0
    await 30 osd_is_up || fail "the object daemon does not come up, see $dir/osd.out"
}

start_gateway() {
    radosgw-admin -c "$conf" -n client.rgw user create --uid=downlake --display-name=downlake \
        --access-key="$key" --secret-key="$secret"
    daemon rgw radosgw -n client.rgw
    await 60 curl -sf -o /dev/null "$endpoint/" || fail "the gateway does not answer, see $dir/rgw.out"
}

# The gateway takes no signature that leaves out the hash of the body.
make_bucket() {
    curl -sf -o /dev/null -X PUT -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' \
        --aws-sigv4 'aws:amz:us-east-1:s3' -u "$key:$secret" "$endpoint/$bucket" ||
        fail "the gateway refuses to make bucket $bucket"
}

start() {
    local fsid
    stop
    rm -rf "$dir"
    mkdir -p "$dir"/{mon,osd,gateway}
    export CEPH_CONF=$conf
    fsid=$(cat /proc/sys/kernel/random/uuid)
    write_conf "$fsid"
    {
        make_keys
        start_monitor "$fsid"
        start_osd
        start_gateway
        make_bucket
    } >"$dir/start.out" 2> >(tee -a "$dir/start.err" >&2)
    cat <<VARS
export DOWNLAKE_TEST_S3=$endpoint
export DOWNLAKE_TEST_S3_BUCKET=$bucket
export AWS_ACCESS_KEY_ID=$key
export AWS_SECRET_ACCESS_KEY=$secret
VARS
}

case ${1:-} in
install) install_packages ;;
start) start ;;
stop) stop ;;
wipe) stop && rm -rf "$dir" ;;
*) fail "say install, start, stop or wipe" ;;
esac
