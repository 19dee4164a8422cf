# `programs.zsh` and `programs.fish`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  env = config.environment;
  lines = description: mkOption {
    type = types.lines;
    default = "";
    inherit description;
  };
  flag = default: description: mkOption {
    type = types.bool;
    inherit default description;
  };
  aliasOption = mkOption {
    type = types.attrsOf (types.nullOr (types.either types.str types.path));
    default = { };
    description = "Aliases; null removes one.";
  };
  real = lib.filterAttrs (_: value: value != null);
  zsh = config.programs.zsh;
  fish = config.programs.fish;
in
{
  options.programs = {
    zsh = {
      enable = flag false "Whether zsh is set up for interactive use.";
      shellAliases = aliasOption;
      shellInit = lines "Commands of every zsh.";
      loginShellInit = lines "Commands of login shells.";
      interactiveShellInit = lines "Commands of interactive shells.";
      promptInit = mkOption { type = types.lines; default = "autoload -U promptinit && promptinit && prompt suse && setopt prompt_sp\n"; description = "Commands that set the prompt."; };
      histSize = mkOption { type = types.int; default = 2000; description = "Lines of history."; };
      histFile = mkOption { type = types.str; default = "$HOME/.zsh_history"; description = "File of the history."; };
      setOptions = mkOption { type = types.listOf types.str; default = [ "HIST_IGNORE_DUPS" "SHARE_HISTORY" "HIST_FCNTL_LOCK" ]; description = "Options of zsh."; };
      enableCompletion = flag true "Whether arguments are completed.";
      enableGlobalCompInit = flag zsh.enableCompletion "Whether completion is set up for everyone.";
      enableBashCompletion = flag false "Whether completions of bash are used.";
      enableLsColors = flag true "Whether `ls` has colours.";
    };
    fish = {
      enable = flag false "Whether fish is set up for interactive use.";
      package = mkOption { type = types.package; default = pkgs.fish; description = "fish."; };
      shellAliases = aliasOption;
      shellAbbrs = mkOption { type = types.attrsOf types.str; default = { }; description = "Abbreviations."; };
      shellInit = lines "Commands of every fish.";
      loginShellInit = lines "Commands of login shells.";
      interactiveShellInit = lines "Commands of interactive shells.";
      promptInit = lines "Commands that set the prompt.";
      vendor = lib.genAttrs [ "config" "completions" "functions" ] (what: { enable = flag true "Whether ${what} of packages are used."; });
    };
  };

  config = lib.mkMerge [
    (lib.mkIf zsh.enable {
      programs.zsh.shellAliases = lib.mapAttrs (_: lib.mkDefault) env.shellAliases;
      environment.systemPackages = [ pkgs.zsh ];
      environment.shells = [ "/run/current-system/sw/bin/zsh" ];
      # Debian's zsh reads /etc/zsh.
      environment.etc = {
        "zshenv".text = ''
          if [ -n "$__ETC_ZSHENV_SOURCED" ]; then return; fi
          __ETC_ZSHENV_SOURCED=1
          if [ -z "$__NIXOS_SET_ENVIRONMENT_DONE" ]; then . ${config.system.build.setEnvironment}; fi
          ${env.shellInit}
          ${zsh.shellInit}
        '';
        "zprofile".text = ''
          if [ -n "$__ETC_ZPROFILE_SOURCED" ]; then return; fi
          __ETC_ZPROFILE_SOURCED=1
          ${env.loginShellInit}
          ${zsh.loginShellInit}
        '';
        "zshrc".text = ''
          if [ -n "$__ETC_ZSHRC_SOURCED" -o -n "$NOSYSZSHRC" ]; then return; fi
          __ETC_ZSHRC_SOURCED=1
          SAVEHIST=${toString zsh.histSize}
          HISTSIZE=${toString zsh.histSize}
          HISTFILE=${zsh.histFile}
          ${lib.optionalString (zsh.setOptions != [ ]) "setopt ${toString zsh.setOptions}"}
          ${lib.optionalString zsh.enableGlobalCompInit "autoload -U compinit && compinit"}
          ${lib.optionalString zsh.enableBashCompletion "autoload -U bashcompinit && bashcompinit"}
          ${lib.optionalString zsh.enableLsColors "eval \"$(dircolors -b)\""}
          ${env.interactiveShellInit}
          ${zsh.interactiveShellInit}
          ${lib.concatStrings (lib.mapAttrsToList (name: value: "alias -- ${name}=${lib.escapeShellArg (toString value)}\n") (real zsh.shellAliases))}
          ${zsh.promptInit}
        '';
        "zsh/zshenv".text = ". /etc/zshenv\n";
        "zsh/zprofile".text = ". /etc/zprofile\n";
        "zsh/zshrc".text = ". /etc/zshrc\n";
      };
    })
    (lib.mkIf fish.enable {
      programs.fish.shellAliases = lib.mapAttrs (_: lib.mkDefault) env.shellAliases;
      environment.systemPackages = [ fish.package ];
      environment.shells = [ "/run/current-system/sw/bin/fish" ];
      environment.etc = {
        "fish/config.fish".text = ''
          if not set -q __NIXOS_SET_ENVIRONMENT_DONE
            for entry in (bash --norc --noprofile -c '. ${config.system.build.setEnvironment}; env -0' | string split0)
              set -l pair (string split -m 1 = -- $entry)
              contains -- $pair[1] PWD SHLVL _ ; and continue
              if test $pair[1] = PATH
                set -gx PATH (string split : -- $pair[2])
              else
                set -gx $pair[1] $pair[2]
              end
            end
          end
          ${fish.shellInit}
          if status --is-login
            ${fish.loginShellInit}
          end
          if status --is-interactive
            ${lib.concatStrings (lib.mapAttrsToList (name: value: "alias ${name} ${lib.escapeShellArg (toString value)}\n") (real fish.shellAliases))}
            ${lib.concatStrings (lib.mapAttrsToList (name: value: "abbr -ag ${name} ${lib.escapeShellArg value}\n") fish.shellAbbrs)}
            ${fish.promptInit}
            ${fish.interactiveShellInit}
          end
        '';
      };
    })
  ];
}
