# installManPage, installBin and installShellCompletion, sourced into a build.

installManPage() {
    local page
    for page in "$@"; do
        local base="${page##*/}" plain section
        plain="${base%.gz}"
        section="${plain##*.}"
        [[ "$section" == [0-9n]* ]] || die "installManPage: '$page' has no section in its name"
        install -Dm644 -T "$page" "${outputMan:-${man:-$out}}/share/man/man${section:0:1}/$base"
    done
}

installBin() {
    local program
    for program in "$@"; do install -Dm755 -T "$program" "${bin:-$out}/bin/${program##*/}"; done
}

installShellCompletion() {
    local shell= name= command=
    while (($#)); do
        case "$1" in
            --bash | --fish | --zsh | --nushell) shell="${1#--}"; shift ;;
            --name) name="$2"; shift 2 ;;
            --cmd) command="$2"; shift 2 ;;
            --) shift ;;
            *)
                local file="$1" kind="$shell" target directory; shift
                if [ -z "$kind" ]; then
                    case "$file" in
                        *.bash) kind=bash ;;
                        *.fish) kind=fish ;;
                        *.zsh | */_* | _*) kind=zsh ;;
                        *) die "installShellCompletion: for which shell is '$file'?" ;;
                    esac
                fi
                target="${name:-${file##*/}}"
                case "$kind" in
                    bash) directory=bash-completion/completions; [ -z "$command" ] || target="$command.bash" ;;
                    fish) directory=fish/vendor_completions.d; [ -z "$command" ] || target="$command.fish" ;;
                    zsh) directory=zsh/site-functions; [ -z "$command" ] || target="_$command"; [[ "$target" == _* ]] || target="_${target%.zsh}" ;;
                    nushell) directory=nushell/vendor/autoload; [ -z "$command" ] || target="$command.nu" ;;
                esac
                mkdir -p "$out/share/$directory"
                cat "$file" >"$out/share/$directory/$target"
                name=
                ;;
        esac
    done
}
