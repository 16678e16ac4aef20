# Runs metatrain in a Ray job: sh job.sh [--python PATH] COMMAND WORDS...
# It must be the Python environment in which Ray runs here, which neither PATH nor an activated
# environment tells. The parent is a Python process of Ray's: what it has mapped names the place
# of Ray's library, and the interpreter lies above it. Nothing here needs a PATH.
try() {
    [ -x "$1" ] || return 1
    found=${found:-$1}
    "$1" -c 'from importlib.util import find_spec as find
raise SystemExit(not (find("metatrain") and find("ray")))' || return 1
    python=$1
}

if [ "$1" = --python ]; then
    chosen=$2
    shift 2
    try "$chosen" && exec "$python" -m metatrain "$@"
    echo "metatrain: --python $chosen is not on the head, or has no metatrain and Ray; give the path of a Python there that has both" >&2
    exit 1
fi

while read -r _ _ _ _ _ file; do
    case $file in */lib*/python3*/ray/_raylet.so) library=$file && break ;; esac
done <"/proc/$PPID/maps"
prefix=${library%/lib*/python3*/ray/_raylet.so}
if try "${library:+$prefix/bin/python}" || try "${library:+$prefix/bin/python3}" ||
    try "$(command -p readlink "/proc/$PPID/exe")"; then
    exec "$python" -m metatrain "$@"
fi
echo "metatrain: metatrain is not installed in the Python that Ray runs with on the head: $found; install it there ($found -m pip install metatrain), or name another by submit --python" >&2
exit 1
