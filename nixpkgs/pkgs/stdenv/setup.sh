# The phases of a build. Sourced by every builder made by mkDerivation, after the lines that the
# package set puts before it: initialPath, SHELL and the compiler's names.

set -eu -o pipefail
set +u
shopt -s nullglob inherit_errexit 2>/dev/null || true

# With structured attributes it is an array, which may not get an element without a name.
declare -p outputs >/dev/null 2>&1 || outputs=out
export NIX_BUILD_TOP="${NIX_BUILD_TOP:-$PWD}"
export TMPDIR="${TMPDIR:-$NIX_BUILD_TOP}" TMP="${TMP:-$NIX_BUILD_TOP}" TEMP="${TEMP:-$NIX_BUILD_TOP}"
export HOME="${HOME:-/homeless-shelter}"
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-315532800}"
export LC_ALL="${LC_ALL:-C.UTF-8}" TZ=UTC
export NIX_BUILD_CORES="${NIX_BUILD_CORES:-1}"
((NIX_BUILD_CORES > 0)) || NIX_BUILD_CORES=$(nproc)

# With structured attributes `outputs` is an associative array, otherwise a list of words.
if [[ "$(declare -p outputs 2>/dev/null)" == "declare -A"* ]]; then
    outputNames=("${!outputs[@]}")
    for name in "${outputNames[@]}"; do export "$name=${outputs[$name]}"; done
    if [ -v env ]; then for name in "${!env[@]}"; do export "$name=${env[$name]}"; done; fi
else
    read -ra outputNames <<<"$outputs"
fi

# ---- messages ----------------------------------------------------------------------------

echoCmd() { printf '%s:' "$1"; shift; printf ' %q' "$@"; echo; }
nixLog() { echo "$*" >&2; }
nixInfoLog() { nixLog "$@"; }
nixWarnLog() { nixLog "warning: $*"; }
nixErrorLog() { nixLog "error: $*"; }
die() { echo "error: $*" >&2; exit 1; }

# ---- lists: a variable may be a string of words or an array --------------------------------

concatTo() {
    local -n target="$1"; shift
    local source name fallback
    for source in "$@"; do
        name="${source%%=*}"
        fallback=; [[ "$source" == *=* ]] && fallback="${source#*=}"
        if [[ "$(declare -p "$name" 2>/dev/null)" == "declare -a"* ]]; then
            local -n items="$name"
            target+=("${items[@]}")
            unset -n items
        elif [ -n "${!name-}" ]; then
            local words; read -rd '' -a words <<<"${!name}" || true
            target+=("${words[@]}")
        elif [ -n "$fallback" ]; then
            target+=("$fallback")
        fi
    done
}

concatStringsSep() {
    local separator="$1" name="$2" joined=
    local list=(); concatTo list "$name"
    local item
    for item in "${list[@]}"; do joined+="${joined:+$separator}$item"; done
    printf '%s' "$joined"
}

appendToVar() {
    local name="$1"; shift
    if [[ "$(declare -p "$name" 2>/dev/null)" == "declare -a"* ]]; then
        local -n list="$name"; list+=("$@")
    else
        printf -v "$name" '%s' "${!name-}${!name:+ }$*"
    fi
}

prependToVar() {
    local name="$1"; shift
    if [[ "$(declare -p "$name" 2>/dev/null)" == "declare -a"* ]]; then
        local -n list="$name"; list=("$@" "${list[@]}")
    else
        printf -v "$name" '%s' "$*${!name:+ }${!name-}"
    fi
}

addToSearchPathWithCustomDelimiter() {
    if [ -d "$3" ]; then export "$2=${!2-}${!2:+$1}$3"; fi
}
addToSearchPath() { addToSearchPathWithCustomDelimiter : "$@"; }

# ---- hooks ---------------------------------------------------------------------------------

_eval() {
    if declare -F "$1" >/dev/null; then "$@"; else eval "$1"; fi
}

# Runs every function of the array ${hook}Hooks and then the hook's own code.
runHook() {
    local hook="$1"; shift
    local list="${hook%Hook}Hooks[@]" entry
    for entry in "${!list}"; do _eval "$entry" "$@"; done
    if declare -F "$hook" >/dev/null; then "$hook" "$@"; elif [ -n "${!hook-}" ]; then eval "${!hook}"; fi
}

# Runs hooks until one succeeds.
runOneHook() {
    local hook="$1"; shift
    local list="${hook%Hook}Hooks[@]" entry
    for entry in "${!list}"; do if _eval "$entry" "$@"; then return 0; fi; done
    if declare -F "$hook" >/dev/null; then "$hook" "$@"; elif [ -n "${!hook-}" ]; then eval "${!hook}"; else return 1; fi
}

exitHandler() {
    local status=$?
    set +e
    if ((status != 0)); then
        runHook failureHook
    else
        runHook exitHook
    fi
    exit "$status"
}
trap exitHandler EXIT

# ---- dependencies --------------------------------------------------------------------------

PATH=
for tool in $initialPath; do PATH="${PATH:+$PATH:}$tool/bin"; done
export PATH
hostOffset=0
targetOffset=1
declare -a envHostHooks=() envBuildHooks=() envTargetHooks=() pkgsBuildHost=() pkgsHostTarget=()

addEnvHooks() {
    shift
    envHostHooks+=("$@")
    envBuildHooks+=("$@")
    local dependency hook
    for dependency in "${pkgsHostTarget[@]}" "${pkgsBuildHost[@]}"; do
        for hook in "$@"; do "$hook" "$dependency"; done
    done
}

declare -A seenDependency=()

# Adds one input with all that it propagates.
findInput() {
    local package="$1" role="$2"
    [ -e "$package" ] || die "build input $package does not exist"
    [ -z "${seenDependency[$role:$package]-}" ] || return 0
    seenDependency[$role:$package]=1
    if [ "$role" = native ]; then pkgsBuildHost+=("$package"); else pkgsHostTarget+=("$package"); fi
    if [ -f "$package" ]; then source "$package"; return 0; fi

    local list
    for list in propagated-build-inputs propagated-native-build-inputs; do
        if [ -f "$package/nix-support/$list" ]; then
            local next propagatedRole="$role"
            [ "$list" = propagated-native-build-inputs ] && propagatedRole=native
            for next in $(<"$package/nix-support/$list"); do findInput "$next" "$propagatedRole"; done
        fi
    done
    if [ "$role" = native ] || [ -z "${strictDeps-}" ]; then
        [ ! -d "$package/bin" ] || PATH="$package/bin:$PATH"
    fi
    if [ -d "$package/lib" ] || [ -d "$package/include" ]; then
        [ ! -d "$package/include" ] || export CPATH="${CPATH-}${CPATH:+:}$package/include"
        [ ! -d "$package/lib" ] || export LIBRARY_PATH="${LIBRARY_PATH-}${LIBRARY_PATH:+:}$package/lib"
    fi
    addToSearchPath PKG_CONFIG_PATH "$package/lib/pkgconfig"
    addToSearchPath PKG_CONFIG_PATH "$package/share/pkgconfig"
    addToSearchPath CMAKE_PREFIX_PATH "$package"
    addToSearchPath ACLOCAL_PATH "$package/share/aclocal"
    addToSearchPath XDG_DATA_DIRS "$package/share"
    local hook
    for hook in "${envHostHooks[@]}"; do "$hook" "$package"; done
    if [ -f "$package/nix-support/setup-hook" ]; then source "$package/nix-support/setup-hook"; fi
}

dependencies=()
concatTo dependencies nativeBuildInputs propagatedNativeBuildInputs depsBuildBuild depsBuildTarget
for dependency in "${dependencies[@]}"; do findInput "$dependency" native; done
dependencies=()
concatTo dependencies buildInputs propagatedBuildInputs depsHostHost depsTargetTarget
for dependency in "${dependencies[@]}"; do findInput "$dependency" host; done
unset dependency dependencies

# ---- text replacement ----------------------------------------------------------------------

# substituteStream VARIABLE DESCRIPTION ARGUMENTS…: changes the text in VARIABLE.
substituteStream() {
    local variable="$1" description="$2"; shift 2
    local name pattern replacement mode
    while (($#)); do
        mode="$1"
        case "$mode" in
            --replace | --replace-fail | --replace-warn | --replace-quiet)
                pattern="$2" replacement="$3"; shift 3
                if [[ "${!variable}" != *"$pattern"* ]]; then
                    case "$mode" in
                        --replace-fail) die "substitute: pattern '$pattern' does not occur in $description" ;;
                        --replace-quiet) ;;
                        *) echo "substitute: warning: pattern '$pattern' does not occur in $description" >&2 ;;
                    esac
                fi
                ;;
            --subst-var)
                name="$2"; shift 2
                [[ "$name" =~ ^[a-zA-Z_][a-zA-Z0-9_]*$ ]] || die "substitute: '$name' is no name of a variable"
                [ -v "$name" ] || die "substitute: variable \$$name is not set"
                pattern="@$name@" replacement="${!name}"
                ;;
            --subst-var-by) pattern="@$2@" replacement="$3"; shift 3 ;;
            *) die "substitute: unknown argument '$mode'" ;;
        esac
        if [ -n "$pattern" ]; then
            printf -v "$variable" '%s' "${!variable//"$pattern"/"$replacement"}"
        fi
    done
}

# The whole content of a file, trailing newlines included.
consumeEntire() {
    local content
    IFS= read -rd '' content || true
    printf -v "$1" '%s' "$content"
}

substitute() {
    local input="$1" output="$2" text; shift 2
    [ -f "$input" ] || die "substitute: file '$input' does not exist"
    consumeEntire text <"$input"
    substituteStream text "file '$input'" "$@"
    printf '%s' "$text" >"$output"
}

substituteInPlace() {
    local files=() file
    while (($#)) && [[ "$1" != --* ]]; do files+=("$1"); shift; done
    ((${#files[@]})) || die "substituteInPlace: no file was named"
    for file in "${files[@]}"; do substitute "$file" "$file" "$@"; done
}

_allFlags() {
    local name
    while IFS='=' read -r name _; do
        [[ "$name" =~ ^[a-z][a-zA-Z0-9_]*$ ]] && flags+=(--subst-var "$name")
    done < <(env)
}
substituteAllStream() { local flags=(); _allFlags; substituteStream "$1" "$2" "${flags[@]}"; }
substituteAll() { local flags=(); _allFlags; substitute "$1" "$2" "${flags[@]}"; }
substituteAllInPlace() { substituteAll "$1" "$1"; }

# ---- files ---------------------------------------------------------------------------------

isELF() { local magic; IFS= read -rn 4 magic <"$1" 2>/dev/null || true; [[ "$magic" == $'\177ELF' ]]; }
isScript() { local magic; IFS= read -rn 2 magic <"$1" 2>/dev/null || true; [[ "$magic" == '#!' ]]; }

stripHash() {
    local name="${1##*/}"
    [[ "$name" =~ ^[0-9a-z]{32}- ]] && name="${name:33}"
    printf '%s\n' "$name"
}

getAllOutputNames() { echo "${outputNames[*]}"; }

# Interpreters named by /usr/bin/env or outside the store become absolute paths of the store,
# where PATH has them.
patchShebangs() {
    local paths=() file line interpreter arguments program
    while (($#)); do
        case "$1" in --build | --host | --update) shift ;; --) shift; paths+=("$@"); break ;; *) paths+=("$1"); shift ;; esac
    done
    while IFS= read -rd '' file; do
        isScript "$file" || continue
        IFS= read -r line <"$file" || true
        read -r interpreter arguments <<<"${line:2}"
        [[ "$interpreter" == "${NIX_STORE:-/nix/store}"/* ]] && continue
        if [[ "$interpreter" == */bin/env ]]; then
            [[ "$arguments" == -* ]] && continue
            read -r program arguments <<<"$arguments"
        else
            program="${interpreter##*/}"
        fi
        interpreter="$(type -P "$program" || true)"
        [ -n "$interpreter" ] || continue
        local timestamp mode
        timestamp=$(stat --printf '%y' "$file")
        mode=$(stat --printf '%a' "$file")
        chmod u+w "$file"
        { printf '#!%s%s\n' "$interpreter" "${arguments:+ $arguments}"; tail -n +2 "$file"; } >"$file.shebang"
        cat "$file.shebang" >"$file"
        rm "$file.shebang"
        chmod "$mode" "$file"
        touch --date "$timestamp" "$file"
    done < <(find "${paths[@]}" -type f -perm -0100 -print0)
}

moveToOutput() {
    local pattern="$1" destination="$2" name source match
    for name in "${outputNames[@]}"; do
        source="${!name}"
        [ "$source" != "$destination" ] || continue
        for match in "$source"/$pattern; do
            [ -e "$match" ] || [ -L "$match" ] || continue
            local relative="${match#"$source"/}"
            mkdir -p "$(dirname "$destination/$relative")"
            mv "$match" "$destination/$relative"
            rmdir --ignore-fail-on-non-empty -p "$(dirname "$match")" 2>/dev/null || true
        done
    done
}

# ---- phases --------------------------------------------------------------------------------

showPhaseHeader() { echo "Running phase: $1"; }
showPhaseFooter() { :; }

unpackCmdHooks+=(_defaultUnpack)
_defaultUnpack() {
    local source="$1"
    if [ -d "$source" ]; then
        local destination; destination="$(stripHash "$source")"
        [ ! -e "$destination" ] || die "cannot copy $source: $destination exists already"
        cp -r --preserve=timestamps --reflink=auto -- "$source" "$destination"
    else
        case "$source" in
            *.tar | *.tar.* | *.tgz | *.tbz2 | *.tbz | *.txz) tar xf "$source" --mode=+w --warning=no-timestamp ;;
            *.zip) type -P unzip >/dev/null || die "to unpack $source add unzip to nativeBuildInputs"; unzip -qq "$source" ;;
            *) return 1 ;;
        esac
    fi
}

unpackFile() {
    curSrc="$1"
    echo "unpacking source archive $curSrc"
    runOneHook unpackCmd "$curSrc" || die "do not know how to unpack source archive $curSrc"
}

unpackPhase() {
    runHook preUnpack
    local sources=() source
    concatTo sources srcs
    ((${#sources[@]})) || { [ -z "${src-}" ] || sources=("$src"); }
    ((${#sources[@]})) || die "variable \$src or \$srcs should point to the source"
    declare -A before=()
    for source in *; do [ -d "$source" ] && before[$source]=1; done
    for source in "${sources[@]}"; do unpackFile "$source"; done
    if [ -n "${setSourceRoot-}" ]; then
        runOneHook setSourceRoot
    elif [ -z "${sourceRoot-}" ]; then
        for source in *; do
            if [ -d "$source" ] && [ -z "${before[$source]-}" ]; then
                [ -z "${sourceRoot-}" ] || die "unpacker produced several directories"
                sourceRoot="$source"
            fi
        done
    fi
    [ -n "${sourceRoot-}" ] || die "unpacker appears to have produced no directories"
    echo "source root is $sourceRoot"
    [ "${dontMakeSourcesWritable:-0}" = 1 ] || chmod -R u+w -- "$sourceRoot"
    runHook postUnpack
}

patchPhase() {
    runHook prePatch
    local list=() file flags=()
    concatTo list patches
    concatTo flags patchFlags=-p1
    for file in "${list[@]}"; do
        echo "applying patch $file"
        case "$file" in
            *.gz) gzip -d <"$file" ;;
            *.bz2) bzip2 -d <"$file" ;;
            *.xz) xz -d <"$file" ;;
            *) cat "$file" ;;
        esac | patch "${flags[@]}"
    done
    runHook postPatch
}

configurePhase() {
    runHook preConfigure
    : "${configureScript=}"
    if [ -z "$configureScript" ] && [ -x ./configure ]; then configureScript=./configure; fi
    if [ -n "$configureScript" ]; then
        local flags=()
        if [ -z "${dontAddPrefix-}" ]; then flags+=("${prefixKey:---prefix=}${prefix:-$out}"); fi
        if [ -z "${dontAddDisableDepTrack-}" ] && [ -f "$configureScript" ]; then
            if grep -q dependency-tracking "$configureScript"; then flags+=(--disable-dependency-tracking); fi
        fi
        if [ -z "${dontDisableStatic-}" ] && [ -f "$configureScript" ] && grep -q enable-static "$configureScript"; then
            flags+=(--disable-static)
        fi
        local name
        for name in "${outputNames[@]}"; do
            case "$name" in
                bin) flags+=("--bindir=${!name}/bin" "--sbindir=${!name}/bin") ;;
                dev) flags+=("--includedir=${!name}/include") ;;
                lib) flags+=("--libdir=${!name}/lib") ;;
                man) flags+=("--mandir=${!name}/share/man") ;;
                doc) flags+=("--docdir=${!name}/share/doc") ;;
                info) flags+=("--infodir=${!name}/share/info") ;;
            esac
        done
        concatTo flags configureFlags configureFlagsArray
        echoCmd 'configure flags' "${flags[@]}"
        $configureScript "${flags[@]}"
    else
        echo "no configure script, doing nothing"
    fi
    runHook postConfigure
}

_parallel() { [ -z "${enableParallelBuilding-}" ] || echo "-j$NIX_BUILD_CORES"; }

_haveMakefile() {
    [ -n "${makefile-}" ] || [ -e Makefile ] || [ -e makefile ] || [ -e GNUmakefile ]
}

buildPhase() {
    runHook preBuild
    if [ -z "${makeFlags-}" ] && ! _haveMakefile; then
        echo "no Makefile or custom buildPhase, doing nothing"
    else
        local flags=($(_parallel) "SHELL=$SHELL")
        concatTo flags makeFlags makeFlagsArray buildFlags buildFlagsArray
        echoCmd 'build flags' "${flags[@]}"
        make ${makefile:+-f "$makefile"} "${flags[@]}"
    fi
    runHook postBuild
}

checkPhase() {
    runHook preCheck
    local target="${checkTarget-}"
    if [ -z "$target" ]; then
        local candidate
        for candidate in check test; do
            if _haveMakefile && make -n ${makefile:+-f "$makefile"} $candidate >/dev/null 2>&1; then target=$candidate; break; fi
        done
    fi
    if [ -z "$target" ]; then
        echo "no check/test target, doing nothing"
    else
        local flags=($(_parallel) "SHELL=$SHELL")
        concatTo flags makeFlags makeFlagsArray checkFlags=VERBOSE=y checkFlagsArray
        make ${makefile:+-f "$makefile"} "${flags[@]}" $target
    fi
    runHook postCheck
}

installPhase() {
    runHook preInstall
    if [ -z "${makeFlags-}" ] && ! _haveMakefile; then
        echo "no Makefile or custom installPhase, doing nothing"
    else
        [ -z "$prefix" ] || mkdir -p "$prefix"
        local flags=("SHELL=$SHELL") targets=()
        concatTo targets installTargets=install
        concatTo flags makeFlags makeFlagsArray installFlags installFlagsArray
        make ${makefile:+-f "$makefile"} "${flags[@]}" "${targets[@]}"
    fi
    runHook postInstall
}

fixupPhase() {
    local name path
    for name in "${outputNames[@]}"; do
        if [ -e "${!name}" ] && [ ! -L "${!name}" ]; then chmod -R u+w,u-s,g-s "${!name}"; fi
    done
    runHook preFixup
    for name in "${outputNames[@]}"; do
        path="${!name}"
        [ -d "$path" ] || continue
        # sbin is bin, man and info pages lie below share.
        if [ -d "$path/sbin" ] && [ ! -L "$path/sbin" ] && [ -z "${dontMoveSbin-}" ]; then
            mkdir -p "$path/bin"
            for file in "$path"/sbin/* "$path"/sbin/.[!.]*; do mv "$file" "$path/bin/"; done
            rmdir "$path/sbin"
            ln -s bin "$path/sbin"
        fi
        local directory
        for directory in man info doc; do
            if [ -d "$path/$directory" ] && [ ! -L "$path/$directory" ] && [ -z "${forceShare-}" ]; then
                mkdir -p "$path/share"
                mv "$path/$directory" "$path/share/$directory"
            fi
        done
        if [ -z "${dontPatchShebangs-}" ]; then patchShebangs "$path"; fi
        if [ -z "${dontStrip-}" ] && type -P strip >/dev/null; then
            while IFS= read -rd '' file; do
                if isELF "$file"; then strip -S -p "$file" 2>/dev/null || true; fi
            done < <(find "$path" -type f \( -perm -0100 -o -name '*.so*' -o -name '*.a' \) -print0)
        fi
        runHook fixupOutput
    done

    local target="${outputDev:-${dev:-$out}}"
    local list=()
    concatTo list propagatedBuildInputs
    if ((${#list[@]})); then mkdir -p "$target/nix-support"; echo "${list[*]}" >"$target/nix-support/propagated-build-inputs"; fi
    list=()
    concatTo list propagatedNativeBuildInputs
    if ((${#list[@]})); then mkdir -p "$target/nix-support"; echo "${list[*]}" >"$target/nix-support/propagated-native-build-inputs"; fi
    if [ -n "${setupHook-}" ]; then mkdir -p "$target/nix-support"; substituteAll "$setupHook" "$target/nix-support/setup-hook"; fi
    list=()
    concatTo list setupHooks
    if ((${#list[@]})); then
        mkdir -p "$target/nix-support"
        local hook text
        for hook in "${list[@]}"; do
            consumeEntire text <"$hook"
            substituteAllStream text "file '$hook'"
            printf '%s' "$text" >>"$target/nix-support/setup-hook"
        done
    fi
    runHook postFixup
}

installCheckPhase() {
    runHook preInstallCheck
    if _haveMakefile && make -n ${makefile:+-f "$makefile"} "${installCheckTarget:-installcheck}" >/dev/null 2>&1; then
        local flags=($(_parallel) "SHELL=$SHELL")
        concatTo flags makeFlags makeFlagsArray installCheckFlags installCheckFlagsArray
        make ${makefile:+-f "$makefile"} "${flags[@]}" "${installCheckTarget:-installcheck}"
    else
        echo "no installcheck target, doing nothing"
    fi
    runHook postInstallCheck
}

distPhase() {
    runHook preDist
    local flags=() targets=() archives=()
    concatTo flags distFlags distFlagsArray
    concatTo targets distTarget=dist
    make ${makefile:+-f "$makefile"} "${flags[@]}" "${targets[@]}"
    if [ "${dontCopyDist:-0}" != 1 ]; then
        mkdir -p "$out/tarballs"
        concatTo archives tarballs='*.tar.gz'
        cp -pvd ${archives[*]} "$out/tarballs"
    fi
    runHook postDist
}

runPhase() {
    local phase="$1"
    case "$phase" in
        unpackPhase) [ -z "${dontUnpack-}" ] || return 0 ;;
        patchPhase) [ -z "${dontPatch-}" ] || return 0 ;;
        configurePhase) [ -z "${dontConfigure-}" ] || return 0 ;;
        buildPhase) [ -z "${dontBuild-}" ] || return 0 ;;
        checkPhase) [ -n "${doCheck-}" ] || return 0 ;;
        installPhase) [ -z "${dontInstall-}" ] || return 0 ;;
        fixupPhase) [ -z "${dontFixup-}" ] || return 0 ;;
        installCheckPhase) [ -n "${doInstallCheck-}" ] || return 0 ;;
        distPhase) [ -n "${doDist-}" ] || return 0 ;;
    esac
    showPhaseHeader "$phase"
    if [ -n "${!phase-}" ]; then eval "${!phase}"; else "$phase"; fi
    if [ "$phase" = unpackPhase ]; then
        [ -n "${sourceRoot-}" ] && chmod +x -- "$sourceRoot" && cd -- "$sourceRoot"
    fi
    return 0
}

definePhases() {
    if [ -z "${phases-}" ]; then
        phases="${prePhases-} unpackPhase patchPhase ${preConfigurePhases-} configurePhase ${preBuildPhases-} buildPhase checkPhase ${preInstallPhases-} installPhase ${preFixupPhases-} fixupPhase installCheckPhase ${preDistPhases-} distPhase ${postPhases-}"
    fi
}

genericBuild() {
    # A single command instead of phases, as runCommand uses it.
    if [ -n "${buildCommandPath-}" ] && [ -f "$buildCommandPath" ]; then source "$buildCommandPath"; return 0; fi
    if [ -n "${buildCommand-}" ]; then eval "$buildCommand"; return 0; fi
    definePhases
    local list=() current
    concatTo list phases
    for current in "${list[@]}"; do runPhase "$current"; done
}

: "${prefix=${out-}}"
export prefix
runHook preHook
runHook userHook
