# Options in one line each, for modules with many of them.
{ lib }:
let
  inherit (lib) mkOption types;
in
rec {
  option = type: default: description: mkOption { inherit type default description; };
  required = type: description: mkOption { inherit type description; };
  flag = option types.bool;
  enable = what: option types.bool false "Whether to run ${what}.";
  maybe = type: description: mkOption {
    type = types.nullOr type;
    default = null;
    inherit description;
  };
  lines = option types.lines "";
  package = name: default: mkOption {
    type = types.package;
    inherit default;
    defaultText = lib.literalExpression "pkgs.${name}";
    description = "The package that provides ${name}.";
  };

  # What a service that needs no privilege is denied.
  confinement = {
    NoNewPrivileges = true;
    PrivateTmp = true;
    PrivateDevices = true;
    ProtectSystem = "strict";
    ProtectHome = lib.mkDefault true;
    ProtectHostname = true;
    ProtectClock = true;
    ProtectKernelTunables = true;
    ProtectKernelModules = true;
    ProtectKernelLogs = true;
    ProtectControlGroups = true;
    RestrictNamespaces = true;
    RestrictRealtime = true;
    RestrictSUIDSGID = true;
    LockPersonality = true;
    RemoveIPC = true;
  };
}
