# Fetches the source of a run into the working directory. SOURCE_TOKEN has the credential, a
# token or user:password. It is in no argument, no file and no output: git asks the helper below.
set -eu
command -v git >/dev/null || { echo 'git is not installed on this worker' >&2; exit 1; }
export GIT_TERMINAL_PROMPT=0 LC_ALL=C
want=${HODEI_COMMIT:-${HODEI_REF:-${SOURCE_REF:-HEAD}}}
case $want in
-* | +* | *:* | *\** | *' '*) echo "\"$want\" is no branch, tag or commit" >&2; exit 1 ;;
esac
helper='!f() { test "$1" = get || exit 0; case $SOURCE_TOKEN in *:*) u=${SOURCE_TOKEN%%:*} ;; *) u=x-access-token ;; esac; echo "username=$u"; echo "password=${SOURCE_TOKEN#*:}"; }; f'
run() {
	if [ -n "${SOURCE_TOKEN-}" ]; then
		git -c credential.helper= -c "credential.$SOURCE_ORIGIN.helper=$helper" "$@"
	else
		git "$@"
	fi
}
failed() { # what may go away by itself is tried again
	cat "$log" >&2
	case $(cat "$log") in
	*"couldn't find remote ref"* | *'could not read Username'* | *'Authentication failed'* | *'not found'* | *'does not appear to be a git repository'*) exit 1 ;;
	esac
	exit 75
}
log=$(mktemp)
echo "fetching $want of $SOURCE_GIT"
git init -q --template= .
git remote add origin "$SOURCE_GIT"
all() { run fetch -q --no-recurse-submodules --tags origin '+refs/heads/*:refs/remotes/origin/*' "$@" 2>"$log"; }
known() { git rev-parse -q --verify "$1^{commit}" >/dev/null 2>&1; }
tip=FETCH_HEAD
if [ "$SOURCE_DEPTH" = 0 ]; then
	all || failed
	if known "$want" && [ "$(git rev-parse "$want")" = "$want" ]; then tip=$want; else run fetch -q --no-recurse-submodules origin "$want" 2>"$log" || failed; fi
elif ! run fetch -q --no-recurse-submodules --depth "$SOURCE_DEPTH" origin "$want" 2>"$log"; then
	case $want in
	*[!0-9a-f]*) failed ;;
	esac
	# Some servers give a commit only with the branch that has it.
	if [ -n "${HODEI_COMMIT-}" ] && [ -n "${HODEI_REF-}" ]; then all "$HODEI_REF" || failed; else all || failed; fi
	known "$want" || { echo "no branch or tag of $SOURCE_GIT has the commit $want" >&2; exit 1; }
	tip=$want
fi
run -c advice.detachedHead=false checkout -q --detach "$tip" 2>"$log" || failed # Git LFS fetches here, with the credential
if [ "$SOURCE_SUBMODULES" = true ]; then
	if [ "$SOURCE_DEPTH" = 0 ]; then run submodule --quiet update --init --recursive 2>"$log" || failed; else run submodule --quiet update --init --recursive --depth "$SOURCE_DEPTH" 2>"$log" || failed; fi
fi
if git grep -q filter=lfs -- '*.gitattributes' && ! git config filter.lfs.smudge >/dev/null; then
	echo 'warning: the files of Git LFS are only pointers, because this worker has no git lfs' >&2
fi
# The full name of the ref, for conditions such as run.branch. For a short name git has written
# "<commit> branch 'main' of <address>".
ref=
case $want in
HEAD) ref=$(run ls-remote --symref origin HEAD 2>/dev/null | sed -n 's/^ref: \([^[:space:]]*\).*/\1/p') ;;
*)
	read -r _ kind name _ <.git/FETCH_HEAD
	name=${name#\'}
	case $tip.$kind in FETCH_HEAD.branch) ref=refs/heads/${name%\'} ;; FETCH_HEAD.tag) ref=refs/tags/${name%\'} ;; esac
	;;
esac
rm -f "$log" .git/FETCH_HEAD
commit=$(git rev-parse HEAD)
git log -1 --format='%h %s'
echo "commit=$commit" >>"$HODEI_OUTPUT"
if [ -z "${HODEI_COMMIT-}" ]; then case $ref in refs/*) echo "ref=$ref" >>"$HODEI_OUTPUT" ;; esac; fi
# The definition of a run that takes it from the repository. It is read from the commit: in the
# working directory it could be a link to a file of the worker.
file=$commit:${SOURCE_DEFINITION-}
if [ -n "${SOURCE_DEFINITION-}" ] && [ "$(git cat-file -t "$file" 2>/dev/null)" = blob ]; then
	size=$(git cat-file -s "$file")
	if [ "$size" -gt 61440 ]; then
		echo "$SOURCE_DEFINITION has $size bytes; a definition in a repository has at most 60 KiB" >&2
		exit 1
	fi
	{
		echo "definition<<end of $commit"
		git cat-file blob "$file"
		echo
		echo "end of $commit"
	} >>"$HODEI_OUTPUT"
fi
