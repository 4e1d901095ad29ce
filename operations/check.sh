#!/usr/bin/env bash
# Checks the files of this folder without a network: syntax, unit tests of the alerts, that every metric they
# name exists, that every alert has a test and a place in the runbook, and, where the programs are there, the
# services and the example configuration.
#
# Needs promtool (Debian: prometheus) and jq. ENERGY_ORACLE names the oracle's program, for the configuration.

set -euo pipefail
cd "$(dirname "$0")"

failures=0
fail() {
	echo "FAILED: $*" >&2
	failures=$((failures + 1))
}

# Rules, and their tests.
promtool check config --syntax-only prometheus/prometheus.yml
for rules in prometheus/*-alerts.yml; do
	promtool check rules "$rules" || fail "$rules"
	promtool test rules "${rules%.yml}.test.yml" || fail "tests of $rules"
	for alert in $(sed -n 's/^ *- alert: //p' "$rules"); do
		for outcome in "fires" "does not fire"; do
			grep -q "name: $alert $outcome\$" "${rules%.yml}.test.yml" || fail "$alert: no test that it $outcome"
		done
		grep -q "^### $alert\$" runbook.md || fail "$alert: not in runbook.md"
		grep -q "runbook: runbook.md#${alert,,}\$" "$rules" || fail "$alert: no link to the runbook"
	done
done

# Dashboards.
for dashboard in grafana/*.json; do
	jq -e '.schemaVersion >= 38 and (.uid | length > 0) and (.templating.list | any(.type == "datasource"))
		and ([.panels[].id] | length == (unique | length))' "$dashboard" > /dev/null || fail "$dashboard"
	jq -e '[.panels[] | select(.type != "row") | .datasource.uid == "${datasource}" and
		(.targets | length > 0)] | all' "$dashboard" > /dev/null || fail "$dashboard: a panel without data source"
done

# Every metric exists: the oracle's in its source, the others in lists that were read from running programs.
expressions() {
	sed -n 's/^ *expr: //p' prometheus/*-alerts.yml
	jq -r '.panels[].targets[]?.expr' grafana/*.json
}
while read -r metric; do
	case $metric in
		energy_oracle_*) grep -rqF "\"${metric#energy_oracle_}\"" ../oracle/src ;;
		node_*) grep -qx "$metric" prometheus/host-metrics.txt ;;
		*) grep -qx "$metric" prometheus/node-metrics.txt ;;
	esac || fail "there is no metric $metric"
done < <(expressions | grep -oE '\b(energy_oracle|substrate|node|rpc|trie)_[a-zA-Z0-9_]+' | sort -u)
while read -r what; do
	grep -rqF "(\"$what\", " ../oracle/src || fail "there is no label what=\"$what\""
done < <(expressions | grep -oE 'what=~?"[^"]*"' | sed 's/.*"\(.*\)"/\1/' | tr '|' '\n' | sort -u)

# Services. Where the programs are not installed, systemd says so and nothing else may be wrong.
if command -v systemd-analyze > /dev/null; then
	for unit in systemd/*.service; do
		wrong=$(systemd-analyze verify "./$unit" 2>&1 | grep -v 'is not executable: No such file' || true)
		[ -z "$wrong" ] || fail "$unit: $wrong"
	done
fi

# The example configuration: it can be used, and names every key there is.
if [ -n "${ENERGY_ORACLE:-}" ]; then
	folder=$(mktemp -d)
	trap 'rm -rf "$folder"' EXIT
	(umask 077 && printf '%064d' 1 > "$folder/account.key")
	if ENERGY_ORACLE__ACCOUNT__KEY_FILE="$folder/account.key" "$ENERGY_ORACLE" check-config --json \
		--config oracle.example.toml > "$folder/shown.json"; then
		for key in $(jq -r '[paths(type != "object" and (type != "array" or all(.[]; type != "object")))
			| map(select(type == "string")) | last] | unique | .[]' \
			"$folder/shown.json"); do
			grep -qE "^(# )?$key = " oracle.example.toml || fail "oracle.example.toml does not name $key"
		done
	else
		fail "oracle.example.toml"
	fi
fi

if [ "$failures" -gt 0 ]; then
	echo "$failures checks failed" >&2
	exit 1
fi
echo "all checks passed"
