# Small functions for docs/tutorial/first-batch.md: curl with a token and a key. Read them, they are all there is.
# Source this file in a POSIX shell: . docs/tutorial/people.sh
KWEEK=http://127.0.0.1:8000/api/v1
PYTHON=.venv/bin/python
TOKENS=$(mktemp -d) # each person's token, readable by you alone

# field NAME: that field of the JSON on standard input
field() { "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

# table FIELD...: those fields of each item of a list, one item a line
table() {
    "$PYTHON" -c '
import json, sys
found = json.load(sys.stdin)
for item in found["items"] if "items" in found else [found]:
    print(*(str(item.get(name, "")) for name in sys.argv[1:]), sep="  ")' "$@"
}

# sign_in PERSON PASSWORD [NEW-PASSWORD]: keeps the token; says what went wrong otherwise
sign_in() {
    _body="{\"user_name\": \"$1\", \"password\": \"$2\"${3:+, \"new_password\": \"$3\"}}"
    curl -sS "$KWEEK/sign-in" -H 'Content-Type: application/json' -d "$_body" >"$TOKENS/$1.json"
    if field token <"$TOKENS/$1.json" >"$TOKENS/$1" 2>/dev/null; then
        echo "$1 is signed in"
    else
        field detail <"$TOKENS/$1.json"
    fi
}

# get PERSON ADDRESS
get() {
    curl -sS "$KWEEK$2" -H "Authorization: Bearer $(cat "$TOKENS/$1")"
    echo
}

# post PERSON ADDRESS BODY [CURL-OPTION...]: acts once; the key makes a repetition harmless
post() {
    _person=$1 _address=$2 _body=$3
    shift 3
    curl -sS "$KWEEK$_address" -H "Authorization: Bearer $(cat "$TOKENS/$_person")" \
        -H 'Content-Type: application/json' -d "$_body" \
        -H "Idempotency-Key: $("$PYTHON" -c 'import uuid; print(uuid.uuid4())')" "$@"
    echo
}

# tasks PERSON [TASK]: the open tasks that this person may answer; waits up to 30 s for one, or for TASK and shows it
tasks() {
    for _ in $(seq 60); do
        _found=$(get "$1" /tasks | table id kind text | grep "^${2:-}")
        if [ -n "$_found" ]; then
            echo "$_found"
            return
        fi
        sleep 0.5
    done
    echo "no open task for $1"
}

# answer PERSON TASK ANSWER [PASSWORD]: with a password the answer is signed
answer() {
    _signature=
    [ -z "${4:-}" ] || _signature=", \"signature\": {\"password\": \"$4\"}"
    post "$1" "/tasks/$2/answer" "{\"answer\": $3$_signature}"
}

# state PERSON BATCH STATE: waits up to 30 s until the batch is in that state, then says in which it is
state() {
    for _ in $(seq 60); do
        _state=$(get "$1" "/batches/$2" | field state)
        [ "$_state" = "$3" ] && break
        sleep 0.5
    done
    echo "$2 is $_state"
}
