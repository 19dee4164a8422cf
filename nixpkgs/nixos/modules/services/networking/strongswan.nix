# `services.strongswan-swanctl`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf;
  inherit (import ../short.nix { inherit lib; }) option lines enable package;
  cfg = config.services.strongswan-swanctl;

  # Sets whose attributes are sections `KIND-NAME`, by the section that they stand in.
  named = {
    connection = [ "local" "remote" ];
    party = [ "cert" "cacert" "pubkey" ];
    secrets = [ "eap" "xauth" "ntlm" "ike" "ppk" "private" "rsa" "ecdsa" "pkcs8" "pkcs12" "token" ];
    secret = [ "id" ];
  };
  scalar = value:
    if lib.isBool value then (if value then "yes" else "no")
    else if lib.isList value then lib.concatStringsSep "," (map toString value)
    else toString value;
  # A value, with the name that it has in the file.
  entry = inside: key: value:
    if value == null || value == { } then ""
    else if lib.isAttrs value && !(lib.isDerivation value) then "${key} {\n${section inside value}}\n"
    else "${key} = ${scalar value}\n";
  section = inside: set: lib.concatStrings (lib.mapAttrsToList (key: value:
    if lib.elem key (named.${inside} or [ ]) && lib.isAttrs value then
      lib.concatStrings (lib.mapAttrsToList (name: entry (below inside key) "${key}${lib.optionalString (name != "") "-${name}"}") value)
    else entry (below inside key) key value) set);
  below = inside: key:
    if inside == "connections" then "connection"
    else if inside == "connection" && lib.elem key named.connection then "party"
    else if inside == "secrets" then "secret"
    else "other";
  swanctlConf = lib.concatStrings (map (part: "${part} {\n${section part cfg.swanctl.${part}}}\n") (lib.filter (part: cfg.swanctl.${part} != { }) [ "authorities" "connections" "secrets" "pools" ]));

  strongswanConf = pkgs.writeText "strongswan.conf" (
    section "other" cfg.strongswan + "${cfg.strongswan.extraConfig or ""}" + ''
      charon-systemd {
        load_modular = yes
        plugins {
          include /usr/share/strongswan/templates/config/plugins/*.conf
        }
      }
      swanctl {
        load = pem pkcs1 x509 revocation constraints pubkey openssl random
      }
    '' + lib.concatMapStrings (file: "include ${file}\n") cfg.includes
  );
  freeform = types.attrsOf types.anything;
in
{
  options.services.strongswan-swanctl = {
    enable = enable "strongSwan, as swanctl configures it";
    package = package "strongswan" pkgs.strongswan;
    strongswan = option freeform { } "Settings of strongswan.conf.";
    swanctl = {
      authorities = option freeform { } "Authorities, by name.";
      connections = option freeform { } "Connections, by name; below `local` and `remote`, by any name, what the parties prove.";
      secrets = option freeform { } "Secrets, by kind and name.";
      pools = option freeform { } "Pools of addresses, by name.";
    };
    includes = option (types.listOf types.path) [ ] "Further files of strongswan.conf.";
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = !(config.services.strongswan.enable or false);
        message = "services.strongswan-swanctl and services.strongswan exclude each other";
      }
    ];
    environment.systemPackages = [ cfg.package ];
    environment.etc."swanctl/swanctl.conf".text = swanctlConf;
    environment.etc."strongswan.conf".source = strongswanConf;
    systemd.tmpfiles.rules = map (name: "d /etc/swanctl/${name} 0700 root root -") [ "ecdsa" "pkcs12" "pkcs8" "private" "rsa" ]
      ++ map (name: "d /etc/swanctl/${name} 0755 root root -") [ "bliss" "conf.d" "pubkey" "x509" "x509aa" "x509ac" "x509ca" "x509crl" "x509ocsp" ];
    boot.kernelModules = [ "xfrm_user" "esp4" "esp6" ];
    systemd.services.strongswan-swanctl = {
      description = "strongSwan IPsec IKEv1/IKEv2 daemon using swanctl";
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
      after = [ "network-online.target" ];
      path = with pkgs; [ kmod iproute2 iptables util-linux ];
      environment.STRONGSWAN_CONF = strongswanConf;
      environment.SWANCTL_DIR = "/etc/swanctl";
      restartTriggers = [ swanctlConf ];
      serviceConfig = {
        ExecStart = "${cfg.package}/bin/charon-systemd";
        Type = "notify";
        ExecStartPost = "${cfg.package}/bin/swanctl --load-all --noprompt";
        ExecReload = [ "${cfg.package}/bin/swanctl --reload" "${cfg.package}/bin/swanctl --load-all --noprompt" ];
        Restart = "on-abnormal";
      };
    };
  };
}
