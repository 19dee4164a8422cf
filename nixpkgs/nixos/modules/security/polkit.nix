# `security.polkit`: what unprivileged programs may ask services for.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.security.polkit;
in
{
  options.security.polkit = {
    enable = mkOption { type = types.bool; default = false; description = "Whether polkit runs when it is asked."; };
    package = mkOption { type = types.package; default = pkgs.polkit; description = "polkit."; };
    debug = mkOption { type = types.bool; default = false; description = "Whether polkit logs what its rules say."; };
    extraConfig = mkOption { type = types.lines; default = ""; description = "Rules in JavaScript."; };
    adminIdentities = mkOption {
      type = types.listOf types.str;
      default = [ "unix-group:wheel" ];
      description = "Who counts as an administrator.";
    };
  };

  config = lib.mkIf cfg.enable {
    environment.systemPackages = [ cfg.package ];
    snowglobe.system.debianPackages = [ "polkitd" ];

    environment.etc."polkit-1/rules.d/10-nixos.rules".text = ''
      polkit.addAdminRule(function(action, subject) {
        return [${lib.concatMapStringsSep ", " (identity: "\"${identity}\"") cfg.adminIdentities}];
      });

      ${cfg.extraConfig}
    '';

    users.users.polkitd = {
      isSystemUser = true;
      description = "PolKit daemon";
      group = "polkitd";
    };
    users.groups.polkitd = { };

    security.pam.services.polkit-1 = { };
    security.wrappers.pkexec = {
      setuid = true;
      owner = "root";
      group = "root";
      source = "${cfg.package}/bin/pkexec";
    };

    systemd.services.polkit = lib.mkIf cfg.debug {
      serviceConfig.ExecStart = [ "" "/usr/lib/polkit-1/polkitd" ];
    };
  };
}
