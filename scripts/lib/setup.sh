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
  base=${PYTHON:-python3}
  command -v "$base" >/dev/null || refuse "no $base here: install Python 3.10 or newer, or name one in PYTHON"
  "$base" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    refuse "$base is $("$base" -V 2>&1); 3.10 or newer is needed, name one in PYTHON"
  "$base" -c 'import ensurepip, venv' 2>/dev/null ||
    refuse "$base has no venv module: install it (on Debian and Ubuntu: apt-get install python3-venv)"
  "$base" -m venv --clear "$root/.venv" >&2 || refuse "$base could not make $root/.venv"
  printf '%s' "$root" >"$root/.venv/made-in"
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
  echo "setting up .venv with requirements/$1 (once) ..." >&2
  "$python" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
    --require-hashes --requirement "$pins" >&2 ||
    refuse "the packages of requirements/$1 could not be installed: see pip's message above"
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
    --editable "$root" >&2 || refuse "this checkout could not be installed: see pip's message above"
  printf '%s' "$key" >"$stamp"
}
