# makeWrapper PROGRAM WRAPPER OPTIONS…, wrapProgram PROGRAM OPTIONS…
# Sourced into a build; `shellOfWrappers` is set before it.

assertExecutable() {
    [[ -f "$1" && -x "$1" ]] || die "makeWrapper: cannot wrap '$1': it is not an executable file"
}

# addValue prefix|suffix VARIABLE SEPARATOR VALUE: lines that put VALUE into a list, once.
_wrapperListLines() {
    local position="$1" variable="$2" separator="$3" value="$4"
    printf 'value=%q\n' "$value"
    printf 'case "%s${%s-}%s" in *"%s$value%s"*) found=1 ;; *) found= ;; esac\n' \
        "$separator" "$variable" "$separator" "$separator" "$separator"
    if [ "$position" = prefix ]; then
        # First place, whatever was there before.
        printf 'if [ -n "$found" ]; then rest="%s${%s}%s"; rest="${rest//"%s$value%s"/"%s"}"; rest="${rest#"%s"}"; rest="${rest%%"%s"}"; %s="$rest"; fi\n' \
            "$separator" "$variable" "$separator" "$separator" "$separator" "$separator" "$separator" "$separator" "$variable"
        printf 'export %s="$value${%s:+%s$%s}"\n' "$variable" "$variable" "$separator" "$variable"
    else
        printf 'if [ -z "$found" ]; then export %s="${%s:+$%s%s}$value"; fi\n' \
            "$variable" "$variable" "$variable" "$separator"
    fi
}

makeShellWrapper() {
    local original="$1" wrapper="$2"; shift 2
    assertExecutable "$original"
    local lines='' before='' after='' name='"$0"' resolve=
    while (($#)); do
        case "$1" in
            --set) lines+="export $2=$(printf %q "$3")"$'\n'; shift 3 ;;
            --set-default) lines+="export $2=\${$2-$(printf %q "$3")}"$'\n'; shift 3 ;;
            --unset) lines+="unset $2"$'\n'; shift 2 ;;
            --chdir) lines+="cd $(printf %q "$2")"$'\n'; shift 2 ;;
            --run) lines+="$2"$'\n'; shift 2 ;;
            --prefix | --suffix) lines+="$(_wrapperListLines "${1#--}" "$2" "$3" "$4")"$'\n'; shift 4 ;;
            --prefix-each | --suffix-each)
                local each kind="${1#--}"
                for each in $4; do lines+="$(_wrapperListLines "${kind%-each}" "$2" "$3" "$each")"$'\n'; done
                shift 4
                ;;
            --prefix-contents | --suffix-contents)
                local file kind="${1#--}"
                for file in $4; do lines+="$(_wrapperListLines "${kind%-contents}" "$2" "$3" "$(<"$file")")"$'\n'; done
                shift 4
                ;;
            --add-flag) before+=" $(printf %q "$2")"; shift 2 ;;
            --add-flags) before+=" $2"; shift 2 ;;
            --append-flag) after+=" $(printf %q "$2")"; shift 2 ;;
            --append-flags) after+=" $2"; shift 2 ;;
            --argv0) name="$(printf %q "$2")"; shift 2 ;;
            --inherit-argv0) name='"$0"'; shift ;;
            --resolve-argv0) resolve=1; shift ;;
            *) die "makeWrapper: unknown argument '$1'" ;;
        esac
    done
    mkdir -p "$(dirname "$wrapper")"
    {
        printf '#!%s -e\n%s' "$shellOfWrappers" "$lines"
        [ -z "$resolve" ] || printf 'set -- "$@"; [[ "$0" == */* ]] || BASH_ARGV0="$(type -P "$0")"\n'
        printf 'exec -a %s %q %s "$@" %s\n' "$name" "$original" "$before" "$after"
    } >"$wrapper.new"
    chmod +x "$wrapper.new"
    mv "$wrapper.new" "$wrapper"
}

wrapProgramShell() {
    local program="$1" hidden; shift
    assertExecutable "$program"
    hidden="$(dirname "$program")/.$(basename "$program")-wrapped"
    while [ -e "$hidden" ]; do hidden="${hidden}_"; done
    mv "$program" "$hidden"
    makeShellWrapper "$hidden" "$program" --inherit-argv0 "$@"
}

makeWrapper() { makeShellWrapper "$@"; }
makeBinaryWrapper() { makeShellWrapper "$@"; }
wrapProgram() { wrapProgramShell "$@"; }
wrapProgramBinary() { wrapProgramShell "$@"; }
