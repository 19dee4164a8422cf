# `services.radicale`: calendars and addresses.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf;
  inherit (import ../short.nix { inherit lib; }) option enable package;
  cfg = config.services.radicale;
  format = pkgs.formats.ini { listToValue = lib.concatMapStringsSep ", " (lib.generators.mkValueStringDefault { }); };
  configFile = if cfg.settings == { } then pkgs.writeText "radicale.conf" cfg.config else format.generate "radicale.conf" cfg.settings;
in
{
  options.services.radicale = {
    enable = enable "the calendar server Radicale";
    package = package "radicale" pkgs.radicale;
    config = option types.str "" "Text of the configuration; `settings` are the newer way.";
    settings = option format.type { } "The configuration, section by section.";
    rights = option format.type { } "Who may do what, section by section.";
    extraArgs = option (types.listOf types.str) [ ] "Further arguments.";
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.settings == { } || cfg.config == "";
        message = "services.radicale: config and settings exclude each other";
      }
    ];
    warnings = lib.optional (cfg.config != "") "services.radicale.config is deprecated; use services.radicale.settings";
    services.radicale.settings.rights = mkIf (cfg.rights != { }) { type = "from_file"; file = toString (format.generate "radicale.rights" cfg.rights); };

    environment.systemPackages = [ cfg.package ];
    environment.etc."radicale/config".source = configFile;
    users.users.radicale = { isSystemUser = true; group = "radicale"; };
    users.groups.radicale = { };
    systemd.services.radicale = {
      description = "A Simple Calendar and Contact Server";
      after = [ "network.target" ];
      requires = [ "network.target" ];
      wantedBy = [ "multi-user.target" ];
      serviceConfig = {
        ExecStart = "${cfg.package}/bin/radicale -C /etc/radicale/config ${lib.escapeShellArgs cfg.extraArgs}";
        User = "radicale";
        Group = "radicale";
        StateDirectory = "radicale/collections";
        StateDirectoryMode = "0750";
        WorkingDirectory = "/var/lib/radicale";
        UMask = "0027";
        NoNewPrivileges = true;
        PrivateTmp = true;
        ProtectSystem = "strict";
        ReadWritePaths = lib.optional (lib.hasAttrByPath [ "storage" "filesystem_folder" ] cfg.settings) cfg.settings.storage.filesystem_folder;
      };
    };
  };
}
