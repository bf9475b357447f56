# Starts the demo as a new user does, pastes the lines it prints, and looks whether they sign people in. $1: the program.
set -eu
folder=$(mktemp -d)
"$1" demo --listen 127.0.0.1:0 >"$folder/out" 2>"$folder/err" &
pid=$!
trap 'kill -9 $pid 2>/dev/null || true; rm -rf "$folder"' EXIT

tries=0
until grep -q '^Ctrl-C' "$folder/out"; do
    tries=$((tries + 1))
    if [ $tries -gt 300 ] || ! kill -0 $pid 2>/dev/null; then
        echo "the demo does not start:" && cat "$folder/out" "$folder/err"
        exit 1
    fi
    sleep 0.1
done

sed -n '/^Paste into a shell/,/^Ctrl-C/p' "$folder/out" | sed '1d;$d' >"$folder/lines"

# times, text, what it shows
expect() {
    found=$(grep -oF "$2" "$folder/said" | wc -l)
    if [ "$found" -ne "$1" ]; then
        echo "$3 ($shell): found $found times, not $1: $2" && cat "$folder/said"
        exit 1
    fi
}
# People paste into whatever shell they have; sh is dash on Debian.
for shell in bash sh; do
    "$shell" "$folder/lines" >"$folder/said" 2>&1
    expect 2 'set-cookie: vestibule=vsc_' 'the login link and the course form sign the browser in'
    expect 1 'location: /course/4711' 'the course form leads to the course'
    expect 3 '"userToken":"eyJ' 'sign-up, confirmation and sign-in answer tokens'
    expect 2 '"acknowledgement":"Success"' 'the LMS answers sign-in and refresh'
done

kill -INT $pid
if ! wait $pid; then
    echo "the demo did not stop cleanly:" && cat "$folder/err"
    exit 1
fi
