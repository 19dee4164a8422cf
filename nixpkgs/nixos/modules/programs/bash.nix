# `programs.bash` and /etc/profile.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.programs.bash;
  env = config.environment;

  lines = description: mkOption {
    type = types.lines;
    default = "";
    inherit description;
  };

  aliases = lib.concatStrings (
    lib.mapAttrsToList (name: value: "alias -- ${name}=${lib.escapeShellArg (toString value)}\n") (
      lib.filterAttrs (_: value: value != null) cfg.shellAliases
    )
  );
in
{
  options.programs.bash = {
    enable = mkOption {
      type = types.bool;
      default = true;
      description = "Whether bash is set up for interactive use.";
    };
    shellAliases = mkOption {
      type = types.attrsOf (types.nullOr (types.either types.str types.path));
      default = { };
      description = "Aliases of bash; null removes one.";
    };
    shellInit = lines "Commands of every bash.";
    loginShellInit = lines "Commands of login shells.";
    interactiveShellInit = lines "Commands of interactive shells.";
    logout = lines "Commands of login shells when they end.";
    promptInit = mkOption {
      type = types.lines;
      default = ''
        # A prompt with colours where the terminal has them.
        if [ "$TERM" != dumb ]; then
          if [ "$UID" -eq 0 ]; then __colour='1;31m'; else __colour='1;32m'; fi
          PS1="\n\[\033[$__colour\][\[\e]0;\u@\h: \w\a\]\u@\h:\w]\\$\[\033[0m\] "
          unset __colour
        fi
      '';
      description = "Commands that set the prompt.";
    };
    promptPluginInit = lines "Commands after the prompt was set.";
    completion = {
      enable = mkOption {
        type = types.bool;
        default = true;
        description = "Whether interactive shells complete arguments of commands, if bash-completion is installed.";
      };
    };
    enableLsColors = mkOption {
      type = types.bool;
      default = true;
      description = "Whether `ls` has colours in interactive shells.";
    };
    blesh.enable = mkOption {
      type = types.bool;
      default = false;
      apply = value: if value then throw "programs.bash.blesh.enable is not supported: Debian has no ble.sh" else value;
      description = "Not supported.";
    };
    undistractMe.enable = mkOption {
      type = types.bool;
      default = false;
      apply = value: if value then throw "programs.bash.undistractMe.enable is not supported" else value;
      description = "Not supported.";
    };
  };

  imports = [
    (lib.mkRenamedOptionModule [ "programs" "bash" "enableCompletion" ] [ "programs" "bash" "completion" "enable" ])
  ];

  config = lib.mkIf cfg.enable {
    programs.bash = {
      shellAliases = lib.mapAttrs (_: lib.mkDefault) env.shellAliases;
      shellInit = ''
        if [ -z "$__NIXOS_SET_ENVIRONMENT_DONE" ]; then
          . ${config.system.build.setEnvironment}
        fi
        ${env.shellInit}
      '';
      loginShellInit = env.loginShellInit;
      interactiveShellInit = ''
        shopt -s checkwinsize
        ${cfg.promptInit}
        ${cfg.promptPluginInit}
        ${aliases}
        ${lib.optionalString cfg.enableLsColors ''eval "$(dircolors -b)"''}
        ${lib.optionalString cfg.completion.enable ''
          if [ "$TERM" != dumb ] && [ -r /usr/share/bash-completion/bash_completion ]; then
            . /usr/share/bash-completion/bash_completion
          fi
        ''}
        ${env.interactiveShellInit}
      '';
    };

    environment.etc = {
      profile.text = ''
        # Of login shells.
        if [ -n "$__ETC_PROFILE_SOURCED" ]; then return; fi
        __ETC_PROFILE_SOURCED=1
        # The variables of the session hold for shells started from it.
        export __ETC_PROFILE_DONE=1

        ${cfg.shellInit}
        ${cfg.loginShellInit}

        if [ -f /etc/profile.local ]; then . /etc/profile.local; fi
        if [ -n "''${BASH_VERSION:-}" ]; then . /etc/bashrc; fi
      '';

      bashrc.text = ''
        # Of interactive shells that are not login shells, and read by /etc/profile.
        if [ -n "$__ETC_BASHRC_SOURCED" ] || [ -n "$NOSYSBASHRC" ]; then return; fi
        __ETC_BASHRC_SOURCED=1

        if [ -z "$__ETC_PROFILE_DONE" ]; then . /etc/profile; fi

        # Only in interactive shells.
        if [ -n "$PS1" ]; then
          ${cfg.interactiveShellInit}
        fi

        if [ -f /etc/bashrc.local ]; then . /etc/bashrc.local; fi
      '';

      # Where Debian's bash looks.
      "bash.bashrc".text = ". /etc/bashrc\n";

      "bash_logout".text = ''
        if [ -n "$__ETC_BASHLOGOUT_SOURCED" ] || [ -n "$NOSYSBASHLOGOUT" ]; then return; fi
        __ETC_BASHLOGOUT_SOURCED=1
        ${cfg.logout}
      '';
      "bash.bash_logout".text = ". /etc/bash_logout\n";

      inputrc.text = ''
        set meta-flag on
        set input-meta on
        set output-meta on
        set convert-meta off
        set colored-stats on
        "\e[1~": beginning-of-line
        "\e[4~": end-of-line
        "\e[5~": beginning-of-history
        "\e[6~": end-of-history
        "\e[3~": delete-char
        "\e[2~": quoted-insert
        "\e[5C": forward-word
        "\e[5D": backward-word
        "\e[1;5C": forward-word
        "\e[1;5D": backward-word
      '';
    };
  };
}
