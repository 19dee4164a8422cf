# `system.activationScripts`: shell run as root before systemd, at every boot.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;

  script = types.coercedTo types.str (text: { inherit text; deps = [ ]; }) (
    types.submodule {
      options = {
        deps = mkOption {
          type = types.listOf types.str;
          default = [ ];
          description = "Scripts that run before.";
        };
        text = mkOption {
          type = types.lines;
          description = "Shell commands.";
        };
        supportsDryActivation = mkOption {
          type = types.bool;
          default = false;
          description = "Without effect: machines have no dry activation.";
        };
      };
    }
  );

  own = lib.filterAttrs (name: script: script.text != "") config.system.activationScripts;

  # Names that upstream's own scripts have; what they do is done when the layer is made.
  builtIn = [
    "stdio" "binsh" "check-manual-docbook" "domain" "etc" "groups" "users" "hostname" "modprobe" "nix" "specialfs"
    "specialisation" "systemd-timesyncd-init-clock" "tmpfs" "udevd" "usrbinenv" "var" "wrappers" "createDevNetTun" "hashes" "setupSecrets"
  ];

  names =
    let
      deps = name: lib.filter (dep: own ? ${dep}) own.${name}.deps;
      unknown = lib.concatMap (name: lib.filter (dep: !(own ? ${dep}) && !(lib.elem dep builtIn)) own.${name}.deps) (lib.attrNames own);
      sorted = lib.toposort (a: b: lib.elem a (deps b)) (lib.attrNames own);
    in
    if unknown != [ ] then
      throw "system.activationScripts: there is no script named '${lib.head unknown}', which another depends on"
    else
      sorted.result or (throw "system.activationScripts depend on each other in a circle: ${toString sorted.cycle}");

  activate = pkgs.writeShellScript "activate" ''
    systemConfig=/run/current-system
    export PATH=${lib.makeBinPath (with pkgs; [ coreutils gnugrep findutils getent util-linux shadow ])}:/usr/sbin:/usr/bin
    _status=0
    trap "_status=1 _localstatus=\$?" ERR
    umask 0022
    ${lib.concatMapStrings (name: ''
      # ${name}
      _localstatus=0
      ${own.${name}.text}
      if (( _localstatus > 0 )); then
        printf "Activation script snippet '%s' failed (%s)\n" ${lib.escapeShellArg name} "$_localstatus"
      fi
    '') names}
    exit $_status
  '';
in
{
  options.system = {
    activationScripts = mkOption {
      type = types.attrsOf script;
      default = { };
      example = lib.literalExpression ''{ work.text = "mkdir -p /work"; }'';
      description = "Shell commands run as root at every boot, before systemd.";
    };
    userActivationScripts = mkOption {
      type = types.attrsOf script;
      default = { };
      description = "Shell commands run by every user's systemd at the first login.";
    };
    etc.overlay.enable = mkOption {
      type = types.bool;
      default = false;
      description = "Not supported: /etc is part of the system layer.";
    };
  };

  options.environment.usrbinenv = mkOption {
    type = types.nullOr types.path;
    default = "/usr/bin/env";
    internal = true;
    description = "The program behind /usr/bin/env: Debian's.";
  };

  config = {
    snowglobe.refused = lib.optionalAttrs config.system.etc.overlay.enable { "system.etc.overlay.enable" = "/etc is part of the system layer"; };

    snowglobe.system.activation = lib.mkIf (own != { }) activate;

    systemd.user.services.nixos-activation = lib.mkIf (config.system.userActivationScripts != { }) {
      description = "Run user-specific NixOS activation";
      script = lib.concatMapStrings (script: script.text) (lib.attrValues config.system.userActivationScripts);
      unitConfig.ConditionUser = "!@system";
      serviceConfig.Type = "oneshot";
      wantedBy = [ "default.target" ];
    };
  };
}
