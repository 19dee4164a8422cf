# `programs.gnupg`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.programs.gnupg;
  flag = default: description: mkOption { type = types.bool; inherit default description; };
  socket = name: { wantedBy = [ "sockets.target" ]; overrideStrategy = "asDropin"; };
in
{
  imports = [ (lib.mkRemovedOptionModule [ "programs" "gnupg" "agent" "pinentryFlavor" ] "Use programs.gnupg.agent.pinentryPackage instead.") ];

  options.programs.gnupg = {
    package = mkOption { type = types.package; default = pkgs.gnupg; description = "GnuPG: Debian's."; };
    agent = {
      enable = flag false "Whether every user has an agent.";
      enableSSHSupport = flag false "Whether the agent is one for SSH as well.";
      enableExtraSocket = flag false "Whether the agent can be forwarded.";
      enableBrowserSocket = flag false "Whether browsers can use the agent.";
      pinentryPackage = mkOption { type = types.nullOr types.package; default = pkgs.pinentry-curses; description = "What asks for passphrases."; };
      settings = mkOption { type = types.attrsOf types.anything; default = { }; description = "gpg-agent.conf."; };
    };
    dirmngr.enable = flag false "Whether every user has a dirmngr.";
  };

  config = lib.mkIf (cfg.agent.enable || cfg.dirmngr.enable) {
    assertions = [ {
      assertion = cfg.agent.enableSSHSupport -> !config.programs.ssh.startAgent;
      message = "programs.gnupg.agent.enableSSHSupport and programs.ssh.startAgent cannot both be set.";
    } ];
    environment.systemPackages = [ cfg.package ] ++ lib.optional (cfg.agent.pinentryPackage != null) cfg.agent.pinentryPackage;
    programs.gnupg.agent.settings = lib.mkIf (cfg.agent.pinentryPackage != null) { pinentry-program = lib.mkDefault (lib.getExe cfg.agent.pinentryPackage); };
    environment.etc."gnupg/gpg-agent.conf" = lib.mkIf (cfg.agent.settings != { }) {
      text = lib.concatStrings (
        lib.mapAttrsToList (name: value: if value == true then "${name}\n" else if value == false || value == null then "" else "${name} ${toString value}\n") cfg.agent.settings
      );
    };
    systemd.user.units =
      lib.optionalAttrs cfg.agent.enable { "gpg-agent.socket" = socket "gpg-agent"; }
      // lib.optionalAttrs (cfg.agent.enable && cfg.agent.enableSSHSupport) { "gpg-agent-ssh.socket" = socket "gpg-agent-ssh"; }
      // lib.optionalAttrs (cfg.agent.enable && cfg.agent.enableExtraSocket) { "gpg-agent-extra.socket" = socket "gpg-agent-extra"; }
      // lib.optionalAttrs (cfg.agent.enable && cfg.agent.enableBrowserSocket) { "gpg-agent-browser.socket" = socket "gpg-agent-browser"; }
      // lib.optionalAttrs cfg.dirmngr.enable { "dirmngr.socket" = socket "dirmngr"; };
    environment.interactiveShellInit = ''
      GPG_TTY=$(tty)
      export GPG_TTY
    '';
    environment.extraInit = lib.mkIf cfg.agent.enableSSHSupport ''
      if [ -z "$SSH_AUTH_SOCK" ]; then export SSH_AUTH_SOCK=$(gpgconf --list-dirs agent-ssh-socket); fi
    '';
  };
}
