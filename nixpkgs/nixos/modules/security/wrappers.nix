# `security.wrappers`: programs with rights of their own, in /run/wrappers/bin.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.security.wrappers;

  wrapper = { name, config, ... }: {
    options = {
      enable = mkOption {
        type = types.bool;
        default = true;
        description = "Whether the wrapper exists.";
      };
      source = mkOption {
        type = types.path;
        description = "The program.";
      };
      program = mkOption {
        type = types.nullOr types.str;
        default = name;
        description = "Name in /run/wrappers/bin.";
      };
      owner = mkOption {
        type = types.str;
        description = "Owner.";
      };
      group = mkOption {
        type = types.str;
        description = "Group.";
      };
      permissions = mkOption {
        type = types.strMatching "([ugoa]+[=+-]?[rwxXst]*,?)+|[0-7]{3,4}";
        default = "u+rx,g+x,o+x";
        description = "Permissions.";
      };
      capabilities = mkOption {
        type = types.commas;
        default = "";
        description = "Capabilities, as setcap(8) takes them.";
      };
      setuid = mkOption {
        type = types.bool;
        default = false;
        description = "Whether the program runs as its owner.";
      };
      setgid = mkOption {
        type = types.bool;
        default = false;
        description = "Whether the program runs as its group.";
      };
    };
  };

  setuidRoot = source: { inherit source; setuid = true; owner = "root"; group = "root"; };
in
{
  options.security = {
    wrappers = mkOption {
      type = types.attrsOf (types.submodule wrapper);
      default = { };
      example = lib.literalExpression ''{ ping = { owner = "root"; group = "root"; capabilities = "cap_net_raw+ep"; source = "''${pkgs.iputils}/bin/ping"; }; }'';
      description = "Programs with rights of their own.";
    };
    enableWrappers = mkOption {
      type = types.bool;
      default = true;
      description = "Whether there are wrappers.";
    };
    wrapperDir = mkOption {
      type = types.path;
      default = "/run/wrappers/bin";
      internal = true;
      description = "Where wrappers are.";
    };
    wrapperDirSize = mkOption {
      type = types.str;
      default = "50%";
      internal = true;
      description = "Unused: wrappers lie in the system layer's run-time folder.";
    };
    setuidPrograms = mkOption {
      type = types.listOf types.str;
      default = [ ];
      internal = true;
      description = "Removed upstream: use wrappers.";
    };
  };

  config = lib.mkIf config.security.enableWrappers {
    assertions = lib.mapAttrsToList (name: wrapper: {
      assertion = wrapper.setuid || wrapper.setgid -> wrapper.capabilities == "";
      message = "security.wrappers.${name}: setuid and setgid cannot be combined with capabilities.";
    }) cfg;

    security.wrappers = {
      mount = setuidRoot "${lib.getBin pkgs.util-linux}/bin/mount";
      umount = setuidRoot "${lib.getBin pkgs.util-linux}/bin/umount";
      fusermount3 = lib.mkIf (config.programs.fuse.enable or false) (setuidRoot "${pkgs.fuse3}/bin/fusermount3");
      newgrp = setuidRoot "${pkgs.shadow}/bin/newgrp";
      newuidmap = setuidRoot "${pkgs.shadow}/bin/newuidmap";
      newgidmap = setuidRoot "${pkgs.shadow}/bin/newgidmap";
      su = setuidRoot "${pkgs.su}/bin/su";
      passwd = setuidRoot "${pkgs.shadow}/bin/passwd";
      chsh = setuidRoot "${pkgs.shadow}/bin/chsh";
      sg = setuidRoot "${pkgs.shadow}/bin/sg";
      unix_chkpwd = setuidRoot "/usr/sbin/unix_chkpwd";
      ping = {
        source = "${pkgs.iputils}/bin/ping";
        owner = "root";
        group = "root";
        capabilities = "cap_net_raw+p";
      };
    };

    snowglobe.system.wrappers = map (wrapper: {
      inherit (wrapper) owner group setuid setgid capabilities permissions program;
      source = toString wrapper.source;
    }) (lib.filter (wrapper: wrapper.enable) (lib.attrValues cfg));

    # Wrappers come first.
    environment.extraInit = lib.mkAfter ''
      export PATH="${config.security.wrapperDir}:$PATH"
    '';
  };
}
