#!/usr/bin/env bash
# Copyright (c) 2026 NatsOps authors
# SPDX-License-Identifier: Apache-2.0
# Test hosts: Debian with systemd and sshd, each in separate namespaces, on a bridge of their own. Requires root, debootstrap and systemd-nspawn. Changes on
# a host are lost when it is stopped.
#
#   lab.sh possible [FOLDER]                 succeeds if hosts can be started, else prints why not; FOLDER is the folder of the root file systems
#   lab.sh roots FOLDER SUITE...             create the root file systems of the hosts with debootstrap, if they are missing
#   lab.sh up LAB CONTROL NAME,ADDRESS,ROOT...  start these hosts; LAB is a folder, CONTROL the network namespace that is connected to them
#   lab.sh cut LAB CONTROL NAME              cut the power of one host
#   lab.sh boot LAB CONTROL NAME             start it again
#   lab.sh down LAB CONTROL                  stop and remove everything
set -euo pipefail

packages=systemd,systemd-sysv,dbus,openssh-server,python3,iproute2,ca-certificates,tzdata

# The cgroup hierarchies in which systemd requires a group: version 2 alone, or `systemd` and `unified` beside version 1.
cgroups() {
  if [ -e /sys/fs/cgroup/cgroup.procs ]; then
    echo /sys/fs/cgroup
  else
    ls -d /sys/fs/cgroup/systemd /sys/fs/cgroup/unified
  fi
}

possible() {
  local program scratch reason=
  if [ "$(uname -s)" != Linux ]; then
    reason="this is $(uname -s), not Linux"
  elif [ "$(id -u)" -ne 0 ]; then
    reason="they take root"
  else
    for program in debootstrap systemd-nspawn ip ssh ssh-keygen setsid; do
      command -v "$program" >/dev/null || reason+="${reason:+, }$program is not installed"
    done
  fi
  # debootstrap downloads with wget too. Existing root file systems require no mirror.
  if [ -z "$reason" ] && [ -n "${1:-}" ] && ! ls "$1"/*/etc/lab-packages >/dev/null 2>&1 \
    && ! wget --quiet --tries=2 --timeout=20 --output-document=/dev/null "$(mirror)/dists/stable/Release"; then
    reason="the mirror of Debian does not answer"
  fi
  if [ -z "$reason" ]; then
    scratch=$(mktemp -d)
    # Try the operations that a host requires, in namespaces that end with this process.
    if ! unshare --net --mount --pid --fork bash -c '
      set -e
      mount -t tmpfs tmpfs "$1" && mkdir "$1"/{lower,up,work,root}
      mount -t overlay overlay -o "lowerdir=$1/lower,upperdir=$1/up,workdir=$1/work" "$1/root"
      ip link add bridge0 type bridge' bash "$scratch" 2>"$scratch.error"; then
      reason="namespaces, overlay mounts or bridges are not permitted: $(tail -n 1 "$scratch.error")"
    elif ! cgroups >/dev/null 2>&1 || ! mkdir "$(cgroups | head -n 1)/lab-possible-$$" 2>/dev/null; then
      reason="control groups cannot be made"
    else
      rmdir "$(cgroups | head -n 1)/lab-possible-$$"
    fi
    rm -rf "$scratch" "$scratch.error"
  fi
  if [ -n "$reason" ]; then
    echo "$reason"
    return 3
  fi
}

# The mirror that this machine uses, if it is Debian.
mirror() {
  local sources=/etc/apt/sources.list.d/debian.sources
  { [ -r "$sources" ] && sed -n 's/^URIs: *\([^ ]*\).*/\1/p' "$sources" | head -n 1; } | grep . || echo http://deb.debian.org/debian
}

# Create one root file system. It gets its name only when it is complete.
root() {
  local folder=$1 suite=$2 building
  building=$(mktemp -d "$folder/.$suite.XXXXXX")
  chmod 755 "$building"
  if ! debootstrap --variant=minbase --include="$packages" "$suite" "$building/root" "$(mirror)" >"$building/log" 2>&1; then
    tail -n 5 "$building/log" >&2
    rm -rf "$building"
    return 1
  fi
  rm -rf "$building"/root/var/cache/apt/archives/*.deb "$building"/root/etc/ssh/ssh_host_*
  echo "$packages" >"$building/root/etc/lab-packages"
  rm -rf "${folder:?}/$suite"
  # If another run was faster, its root file system is kept.
  mv --no-target-directory "$building/root" "$folder/$suite" 2>/dev/null || [ -d "$folder/$suite" ]
  rm -rf "$building"
}

roots() {
  local folder=$1 suite builders=()
  shift
  mkdir -p "$folder"
  # Remove the leftovers of killed runs.
  find "$folder" -mindepth 1 -maxdepth 1 -name '.*' -mmin +60 -exec rm -rf {} +
  for suite in "$@"; do
    if [ "$(cat "$folder/$suite/etc/lab-packages" 2>/dev/null)" != "$packages" ]; then
      root "$folder" "$suite" &
      builders+=($!)
    fi
  done
  for builder in "${builders[@]}"; do
    wait "$builder"
  done
}

boot() {
  local lab=$1 control=$2 name=$3 groups=() address
  for group in $(cgroups); do
    groups+=("$group/$control-$name")
    mkdir -p "$group/$control-$name"
  done
  # Each host requires its own group. Otherwise the systemd instances would share one group and each other's services.
  setsid bash -c 'root=$1 namespace=$2 name=$3
    shift 3
    for group in "$@"; do echo $$ >"$group/cgroup.procs"; done
    exec systemd-nspawn --quiet --boot --directory="$root" --network-namespace-path="$namespace" --machine="$name" --register=no --keep-unit' \
    bash "$lab/$name/root" "/run/netns/$control-$name" "$name" "${groups[@]}" </dev/null >>"$lab/$name/boot.log" 2>&1 &
  address=$(cat "$lab/$name/address")
  for _ in $(seq 300); do
    if ip netns exec "$control" bash -c "exec 3<>/dev/tcp/$address/22" 2>/dev/null; then
      return
    fi
    sleep 0.1
  done
  echo "$name does not answer on port 22 of $address after 30 s:" >&2
  tail -n 20 "$lab/$name/boot.log" >&2
  return 1
}

# Kill all processes of a host at once.
cut_power() {
  local control=$1 name=$2 groups=() group
  for group in $(cgroups); do
    groups+=("$group/$control-$name")
  done
  for _ in $(seq 100); do
    find "${groups[@]}" -name cgroup.procs -exec cat {} + 2>/dev/null | sort -u | xargs --no-run-if-empty kill -KILL 2>/dev/null || true
    find "${groups[@]}" -depth -type d -exec rmdir {} + 2>/dev/null || true
    if [ -z "$(find "${groups[@]}" -maxdepth 0 2>/dev/null)" ]; then
      return
    fi
    sleep 0.05
  done
  echo "processes of $name do not end" >&2
  return 1
}

up() {
  local lab=$1 control=$2 spec name address root folder waiting=()
  shift 2
  down "$lab" "$control"
  mkdir -p -m 700 "$lab"
  ssh-keygen -q -t ed25519 -N '' -f "$lab/id"
  ip netns add "$control"
  ip -n "$control" link set lo up
  ip -n "$control" link add br0 type bridge
  ip -n "$control" addr add 192.0.2.1/24 dev br0
  ip -n "$control" link set br0 up
  for spec in "$@"; do
    IFS=, read -r name address root <<<"$spec"
    folder=$lab/$name
    mkdir -p "$folder/layer" "$folder/root"
    echo "$address" >"$folder/address"
    ip netns add "$control-$name"
    ip -n "$control-$name" link set lo up
    ip link add "v-$name" netns "$control" type veth peer name eth0 netns "$control-$name"
    ip -n "$control" link set "v-$name" master br0 up
    ip -n "$control-$name" addr add "$address/24" dev eth0
    ip -n "$control-$name" link set eth0 up
    mount -t tmpfs -o size=2g tmpfs "$folder/layer"
    mkdir "$folder/layer/up" "$folder/layer/work"
    mount -t overlay overlay -o "lowerdir=$root,upperdir=$folder/layer/up,workdir=$folder/layer/work" "$folder/root"
    mkdir -p -m 700 "$folder/root/root/.ssh"
    cp "$lab/id.pub" "$folder/root/root/.ssh/authorized_keys"
    ssh-keygen -q -t ed25519 -N '' -f "$folder/root/etc/ssh/ssh_host_ed25519_key"
    echo "$name" >"$folder/root/etc/hostname"
    boot "$lab" "$control" "$name" &
    waiting+=($!)
  done
  for name in "${waiting[@]}"; do
    wait "$name"
  done
}

# Finds the resources to remove on the system instead of recording them, as the run that created them may have been killed.
down() {
  local lab=$1 control=$2 namespace mounted
  for namespace in $(ip netns list | awk '{print $1}' | grep -x -e "$control" -e "$control-.*"); do
    if [ "$namespace" != "$control" ]; then
      cut_power "$control" "${namespace#"$control-"}"
    fi
    # Also kill programs that are connected to the hosts, including persistent ssh connections.
    ip netns pids "$namespace" | xargs --no-run-if-empty kill -KILL 2>/dev/null || true
  done
  for mounted in $(awk -v lab="$lab/" 'index($2, lab) == 1 {print $2}' /proc/self/mounts | sort -r); do
    umount "$mounted" || umount --lazy "$mounted"
  done
  for namespace in $(ip netns list | awk '{print $1}' | grep -x -e "$control" -e "$control-.*"); do
    ip netns del "$namespace"
  done
  rm -rf "$lab"
}

action=$1
shift
case $action in
possible | roots | up | boot | down) "$action" "$@" ;;
cut) cut_power "$2" "$3" ;;
*)
  echo "no such action: $action" >&2
  exit 2
  ;;
esac
