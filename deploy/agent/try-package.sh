#!/bin/sh
# Installs the package on this machine, as root, tries what can be tried without systemd as process 1, and purges it again.
# usage: deploy/agent/try-package.sh FILE.deb
set -eu
package=$1
work=$(mktemp -d)
agent=
clean() {
  [ -z "$agent" ] || kill "$agent" 2>/dev/null || true
  dpkg --purge nakama-agent >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap clean EXIT
fail() {
  echo "FAILED: $*" >&2
  exit 1
}

[ ! -e /usr/bin/nakama-agent ] || fail 'an agent is installed already'
dpkg -i "$package" >"$work/install.log" || fail "$(cat "$work/install.log")"
grep -q '/etc/nakama-agent/agent.yaml' "$work/install.log" || fail 'the installer is not told what to edit'

nakama-agent --config /usr/share/doc/nakama-agent/agent.sample.yaml --check-config
systemd-analyze verify nakama-agent.service nakama-agent.path

# As the unit runs it: its own user, its own folder, its own port.
sed 's/port: 9100/port: 19100/' /usr/share/doc/nakama-agent/agent.sample.yaml >/etc/nakama-agent/agent.yaml
echo secret >/etc/nakama-agent/broker.password
chgrp nakama-agent /etc/nakama-agent/agent.yaml /etc/nakama-agent/broker.password
chmod 0640 /etc/nakama-agent/broker.password
setpriv --reuid nakama-agent --regid nakama-agent --clear-groups \
  nakama-agent --config /etc/nakama-agent/agent.yaml >"$work/agent.log" 2>&1 &
agent=$!
tries=0
until nakama-agent --explain --config /etc/nakama-agent/agent.yaml >"$work/explained" 2>&1; do
  tries=$((tries + 1))
  [ "$tries" -lt 60 ] || fail "the agent does not answer: $(cat "$work/agent.log" "$work/explained")"
  sleep 1
done
grep -q 'NC旋盤 1号機' "$work/explained" || fail "$(cat "$work/explained")"
[ -s /var/lib/nakama-agent/journal/acks ] || fail 'no journal in /var/lib/nakama-agent'
kill "$agent"
wait "$agent" || fail "the agent ended with $?"
agent=

dpkg --remove nakama-agent >/dev/null
[ -e /var/lib/nakama-agent/journal/acks ] || fail 'readings that nobody has stored yet went with the package'
dpkg --purge nakama-agent >/dev/null
for left in /usr/bin/nakama-agent /usr/lib/nakama-agent /var/lib/nakama-agent; do
  [ ! -e "$left" ] || fail "$left is left behind"
done
rm -rf /etc/nakama-agent
echo "$package: installed, ran, and went"
