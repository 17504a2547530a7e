# Sourced by the programs of scripts/, with $root set to the checkout.
#
# set_up FILE: .venv holds the packages pinned in requirements/FILE and this checkout as an
# editable install. Does nothing when that was done before with the same files. Needs Python
# 3.10 or newer with venv, and a package registry. Speaks on stderr only, so that a program's
# own --json stays alone on stdout.

python="$root/.venv/bin/python"

refuse() {
  echo "error: $1" >&2
  exit 3
}

make_venv() {
  # --clear would empty the folder that a link leads to, which belongs to another checkout.
  [ ! -L "$root/.venv" ] || refuse "$root/.venv is a link: remove the link, and run this again"
  base=${PYTHON:-python3}
  command -v "$base" >/dev/null || refuse "no $base here: install Python 3.10 or newer, or name one in PYTHON"
  "$base" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    refuse "$base is $("$base" -V 2>&1); 3.10 or newer is needed, name one in PYTHON"
  "$base" -c 'import ensurepip, venv' 2>/dev/null ||
    refuse "$base has no venv module: install it (on Debian and Ubuntu: apt-get install python3-venv)"
  "$base" -m venv --clear "$root/.venv" >&2 || refuse "$base could not make $root/.venv"
  printf '%s' "$root" >"$root/.venv/made-in"
}

# pip with a count of packages on a terminal; its own words are printed only when it fails.
install() {
  log=$(mktemp) || refuse "no temporary file can be made: free space in ${TMPDIR:-/tmp}"
  terminal=
  [ ! -t 2 ] || terminal=1
  {
    "$python" -m pip install --disable-pip-version-check --progress-bar off "$@" 2>&1 ||
      echo failed >"$log.failed"
  } | tee "$log" | awk -v terminal="$terminal" '
    /^(Collecting|Obtaining) / { count++; if (terminal) printf "\r  packages found: %d ", count }
    /^Installing collected / { if (terminal) printf "\r  packages to install: %d ...", count }
    { fflush() }
    END { if (terminal && count) print "" }' >&2
  if [ -e "$log.failed" ]; then
    cat "$log" >&2
    rm -f "$log" "$log.failed"
    return 1
  fi
  rm -f "$log"
}

set_up() {
  pins="$root/requirements/$1"
  # A virtual environment that was moved, copied or half made is made anew.
  if [ "$(cat "$root/.venv/made-in" 2>/dev/null)" != "$root" ] || [ ! -x "$python" ]; then
    make_venv
  fi
  stamp="$root/.venv/stamp-$1"
  key=$(cat "$pins" "$root/pyproject.toml" | cksum)
  if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$key" ]; then
    return
  fi
  echo "setting up .venv with requirements/$1 (once, about a minute) ..." >&2
  install --only-binary :all: --require-hashes --requirement "$pins" ||
    refuse "the packages of requirements/$1 could not be installed: see pip's message above"
  install --no-deps --no-build-isolation --editable "$root" ||
    refuse "this checkout could not be installed: see pip's message above"
  printf '%s' "$key" >"$stamp"
}
