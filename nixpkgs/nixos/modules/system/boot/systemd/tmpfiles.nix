# `systemd.tmpfiles`: files made, and removed, at boot and by a timer.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.systemd.tmpfiles;

  word = default: description: mkOption {
    type = types.str;
    inherit default description;
  };

  rule = { name, ... }: {
    options = {
      type = word name "What is done, as in tmpfiles.d(5).";
      mode = word "-" "Permissions, octal.";
      user = word "-" "Owner.";
      group = word "-" "Group.";
      age = word "-" "Age at which content is removed.";
      argument = word "" "Argument of the type.";
    };
  };

  settings = mkOption {
    type = types.attrsOf (types.attrsOf (types.attrsOf (types.submodule rule)));
    default = { };
    example = { "10-work"."/var/work".d = { mode = "0755"; user = "root"; }; };
    description = "Files by name of the configuration file, path and type.";
  };

  escaped = lib.replaceStrings [ "\t" "\n" " " ] [ "\\t" "\\n" "\\x20" ];

  line = path: rule: "'${rule.type}' '${path}' '${rule.mode}' '${rule.user}' '${rule.group}' '${rule.age}' ${escaped rule.argument}\n";

  text = paths: lib.concatStrings (lib.concatLists (lib.mapAttrsToList (path: rules: map (line path) (lib.attrValues rules)) paths));

  files = rules: "${lib.concatStringsSep "\n" rules}\n";
in
{
  options.systemd = {
    tmpfiles = {
      rules = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "d /var/work 0755 root root -" ];
        description = "Lines of tmpfiles.d(5).";
      };
      inherit settings;
      packages = mkOption {
        type = types.listOf types.package;
        default = [ ];
        apply = map lib.getLib;
        description = "Packages that bring `lib/tmpfiles.d/*.conf`.";
      };
    };
    user.tmpfiles = {
      rules = mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = "Lines of tmpfiles.d(5) for every user.";
      };
      users = mkOption {
        type = types.attrsOf (
          types.submodule {
            options.rules = mkOption {
              type = types.listOf types.str;
              default = [ ];
              description = "Lines of tmpfiles.d(5) for this user.";
            };
          }
        );
        default = { };
        description = "Rules by user.";
      };
    };
  };

  config = {
    # Debian's packages lie below /usr/lib/tmpfiles.d; to be in the machine they must be referred to.
    system.toplevelLinks = lib.listToAttrs (
      lib.imap0 (i: package: lib.nameValuePair "tmpfiles/${toString i}" package) cfg.packages
    );

    environment.etc = {
      "tmpfiles.d/00-nixos.conf" = lib.mkIf (cfg.rules != [ ]) { text = files cfg.rules; };
      # What Debian would make besides: a machine has no use for these, and each costs time.
      "tmpfiles.d/credstore.conf" = { source = "/dev/null"; mode = "direct-symlink"; };
      "tmpfiles.d/provision.conf" = { source = "/dev/null"; mode = "direct-symlink"; };
      "tmpfiles.d/legacy.conf" = { source = "/dev/null"; mode = "direct-symlink"; };
      # Home of users without one, and where services lock themselves in; data of programs that know BSD's places.
      "tmpfiles.d/empty.conf".text = "d /var/empty 0555 root root - -\nd /var/db 0755 root root - -\n";
      # Nodes of devices whose modules the kernel loads at their first use. Elsewhere a program reads
      # them from the modules at every boot.
      "tmpfiles.d/static-nodes.conf".text = lib.concatStrings (
        lib.mapAttrsToList (name: node: "c! /dev/${name} ${node}\n") {
          "btrfs-control" = "0600 root root - 10:234";
          "cuse" = "0600 root root - 10:203";
          "fuse" = "0666 root root - 10:229";
          "loop-control" = "0660 root disk - 10:237";
          "mapper/control" = "0600 root root - 10:236";
          "net/tun" = "0666 root root - 10:200";
          "ppp" = "0600 root root - 108:0";
          "snd/seq" = "0660 root audio - 116:1";
          "snd/timer" = "0660 root audio - 116:33";
          "uinput" = "0600 root root - 10:223";
          "vhost-net" = "0660 root kvm - 10:238";
          "vhost-vsock" = "0660 root kvm - 10:241";
        }
      )
      # logind gives these to whoever sits at the screen.
      + lib.concatMapStrings (name: "L! /run/udev/static_node-tags/uaccess/${lib.replaceStrings [ "/" ] [ "\\\\x2f" ] name} - - - - /dev/${name}\n") [ "snd/seq" "snd/timer" ];
      "user-tmpfiles.d/00-nixos.conf" = lib.mkIf (config.systemd.user.tmpfiles.rules != [ ]) {
        text = files config.systemd.user.tmpfiles.rules;
      };
    }
    // lib.mapAttrs' (name: paths: lib.nameValuePair "tmpfiles.d/${name}.conf" { text = text paths; }) cfg.settings;

    snowglobe.refused = lib.optionalAttrs (config.systemd.user.tmpfiles.users != { }) {
      "systemd.user.tmpfiles.users" = "only rules for all users are, systemd.user.tmpfiles.rules";
    };
  };
}
