# Sourced by scripts/check and scripts/test: steps that say what they are, and are counted into the file $COUNTS.
COUNTS=${COUNTS:-/dev/null}

# step NAME COMMAND…: one check.
step() {
  local name=$1
  shift
  printf '\n== %s\n' "$name"
  if "$@"; then
    echo "1 0 0" >>"$COUNTS"
  else
    echo "0 1 0" >>"$COUNTS"
    printf '== %s: FAILED\n' "$name"
    return 1
  fi
}

# tests NAME FILES… [-- NODE'S OPTIONS…]: a suite of tests; each test counts.
tests() {
  local name=$1 counts files=() options=()
  shift
  while [ $# -gt 0 ] && [ "$1" != -- ]; do files+=("$1"); shift; done
  [ $# -gt 0 ] && shift
  options=("$@")
  printf '\n== %s\n' "$name"
  counts=$(mktemp)
  local status=0
  node --test "${options[@]}" --test-reporter="${REPORTER:-dot}" --test-reporter-destination=stdout \
    --test-reporter=./test/support/counting-reporter.ts --test-reporter-destination="$counts" "${files[@]}" || status=$?
  # A run that ended without a count, or counted no test, has failed whatever its status says.
  read -r passed failed skipped <"$counts" || { passed=0 failed=1 skipped=0; }
  rm -f "$counts"
  [ "$((passed + failed))" -gt 0 ] || failed=1
  [ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
  echo "$passed $failed $skipped" >>"$COUNTS"
  printf '== %s: %s passed, %s failed, %s skipped\n' "$name" "$passed" "$failed" "$skipped"
  [ "$failed" -eq 0 ]
}
