# /etc/resolv.conf, nsswitch.conf.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.networking.resolvconf;
  net = config.networking;
  nss = config.system;
in
{
  options = {
    networking.resolvconf = {
      enable = mkOption {
        type = types.bool;
        default = true;
        internal = true;
        description = "Whether /etc/resolv.conf is written from `networking.nameservers`.";
      };
      dnsExtensionMechanism = mkOption {
        type = types.bool;
        default = true;
        description = "Whether queries use EDNS.";
      };
      dnsSingleRequest = mkOption {
        type = types.bool;
        default = false;
        description = "Whether queries for both families are sent one after the other.";
      };
      extraOptions = mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = "Options of resolv.conf(5).";
      };
      useLocalResolver = mkOption {
        type = types.bool;
        default = false;
        description = "Whether names are looked up at 127.0.0.1.";
      };
    };
    system.nssModules = mkOption {
      type = types.listOf types.path;
      default = [ ];
      apply = value: if value == [ ] then value else throw "system.nssModules is not supported: programs load modules of Debian's packages, named in system.nssDatabases";
      description = "Not supported: further modules of the name service switch; Debian's programs load those of Debian's packages.";
    };
    system.nssDatabases = lib.genAttrs [ "passwd" "group" "shadow" "sudoers" "hosts" "services" ] (
      name:
      mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = "Sources of ${name} in nsswitch.conf, in order.";
      }
    );
  };

  config = {
    # On every machine of NixOS; here, as its libraries are large, on those that have a server to ask.
    environment.systemPackages = lib.optional (net.nameservers != [ ]) pkgs.host;

    networking.resolvconf.extraOptions =
      lib.optional cfg.dnsExtensionMechanism "edns0"
      ++ lib.optional cfg.dnsSingleRequest "single-request";

    system.nssDatabases = {
      passwd = lib.mkMerge [ (lib.mkBefore [ "files" ]) (lib.mkAfter [ "systemd" ]) ];
      group = lib.mkMerge [ (lib.mkBefore [ "files [success=merge]" ]) (lib.mkAfter [ "systemd" ]) ];
      shadow = lib.mkMerge [ (lib.mkBefore [ "files" ]) (lib.mkAfter [ "systemd" ]) ];
      sudoers = lib.mkBefore [ "files" ];
      hosts = lib.mkMerge [
        (lib.mkOrder 400 [ "mymachines" ])
        (lib.mkOrder 998 [ "files" ])
        (lib.mkOrder 999 [ "myhostname" ])
        (lib.mkOrder 1499 [ "dns" ])
      ];
      services = lib.mkBefore [ "files" ];
    };

    environment.etc = {
      "nsswitch.conf".text = ''
        passwd:    ${toString nss.nssDatabases.passwd}
        group:     ${toString nss.nssDatabases.group}
        shadow:    ${toString nss.nssDatabases.shadow}
        sudoers:   ${toString nss.nssDatabases.sudoers}

        hosts:     ${toString (lib.remove "mymachines" nss.nssDatabases.hosts)}
        networks:  files

        ethers:    files
        services:  ${toString nss.nssDatabases.services}
        protocols: files
        rpc:       files
      '';

      # A copy, since DHCP clients and resolved's absence make programs write to it.
      "resolv.conf" = lib.mkIf cfg.enable {
        mode = "0644";
        text =
          lib.concatMapStrings (server: "nameserver ${server}\n") (
            lib.optional cfg.useLocalResolver "127.0.0.1" ++ lib.optionals (!cfg.useLocalResolver) net.nameservers
          )
          + lib.optionalString (net.search != [ ] || net.domain != null) "search ${
            toString (lib.unique (lib.optional (net.domain != null) net.domain ++ net.search))
          }\n"
          + lib.optionalString (cfg.extraOptions != [ ]) "options ${toString cfg.extraOptions}\n";
      };
    };
  };
}
