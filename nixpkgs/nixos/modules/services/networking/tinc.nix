# `services.tinc`. Debian has tinc 1.0: Ed25519 keys are for 1.1, whose place RSA keys take.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkDefault;
  inherit (import ../short.nix { inherit lib; }) option flag maybe lines package required;
  networks = config.services.tinc.networks;
  value = types.oneOf [ types.bool types.str types.int ];
  settingsType = types.submodule { freeformType = types.attrsOf (types.either value (types.listOf value)); };
  shown = v: if lib.isBool v then (if v then "yes" else "no") else toString v;
  # What tinc 1.0 does not know, and would only complain of.
  text = settings: lib.concatStrings (lib.concatLists (lib.mapAttrsToList (key: v: map (one: "${key}=${shown one}\n") (lib.toList v)) (removeAttrs settings [ "Ed25519PublicKey" "Ed25519PrivateKeyFile" ])));

  host = { config, ... }: {
    options = {
      addresses = option (types.listOf (types.submodule {
        options = {
          address = required types.str "Address or name.";
          port = maybe types.port "Port.";
        };
      })) [ ] "Where others reach this one.";
      subnets = option (types.listOf (types.submodule {
        options = {
          address = required types.str "Address.";
          prefixLength = maybe (types.ints.between 0 128) "Bits of the network; default: a single address.";
          weight = option types.ints.unsigned 10 "Rank among those who have the same network; less comes first.";
        };
      })) [ ] "Networks behind it.";
      rsaPublicKey = option types.str "" "Its public key, RSA, as PEM.";
      settings = option settingsType { } "Further settings.";
    };
    config.settings = {
      Address = mkDefault (map (a: "${a.address}${lib.optionalString (a.port != null) " ${toString a.port}"}") config.addresses);
      Subnet = mkDefault (map (s: "${s.address}${lib.optionalString (s.prefixLength != null) "/${toString s.prefixLength}"}#${toString s.weight}") config.subnets);
    };
  };

  network = { config, ... }: {
    options = {
      extraConfig = lines "Further text of tinc.conf.";
      name = maybe types.str "Name of this one; default: the machine's.";
      ed25519PrivateKeyFile = maybe types.path "File with a private Ed25519 key: unused by tinc 1.0, which needs an RSA key as well.";
      rsaPrivateKeyFile = maybe types.path "File with the private RSA key; without one it is made.";
      debugLevel = option (types.ints.between 0 5) 0 "How much is logged.";
      hosts = option (types.attrsOf types.lines) { } "Text about all, by name.";
      hostSettings = option (types.attrsOf (types.submodule host)) { } "All, by name.";
      interfaceType = option (types.enum [ "tun" "tap" ]) "tun" "Kind of the interface.";
      listenAddress = maybe types.str "Address that others reach.";
      bindToAddress = maybe types.str "Address that is also that of what is sent.";
      package = package "tinc" pkgs.tinc;
      chroot = flag false "Whether the daemon sees nothing but its configuration.";
      settings = option settingsType { } "Further settings.";
    };
    config = {
      hosts = lib.mapAttrs (_: one: "${text one.settings}\n${one.rsaPublicKey}\n") config.hostSettings;
      settings = {
        DeviceType = mkDefault config.interfaceType;
        Name = mkDefault (if config.name == null then "$HOST" else config.name);
        PrivateKeyFile = mkIf (config.rsaPrivateKeyFile != null) (mkDefault (toString config.rsaPrivateKeyFile));
        ListenAddress = mkIf (config.listenAddress != null) (mkDefault config.listenAddress);
        BindToAddress = mkIf (config.bindToAddress != null) (mkDefault config.bindToAddress);
      };
    };
  };
  onlyNew = lib.filterAttrs (_: net: net.ed25519PrivateKeyFile != null && net.rsaPrivateKeyFile == null) networks;
in
{
  options.services.tinc.networks = option (types.attrsOf (types.submodule network)) { } "Networks, by name; each is a unit tinc.NAME.";

  config = mkIf (networks != { }) {
    snowglobe.refused = lib.mapAttrs' (name: _: lib.nameValuePair "services.tinc.networks.${name}.ed25519PrivateKeyFile" "Debian's tinc is 1.0, which knows RSA keys only; set rsaPrivateKeyFile as well") onlyNew;
    boot.kernelModules = [ "tun" ];
    environment.systemPackages = [ pkgs.tinc ];
    environment.etc = lib.mkMerge (lib.mapAttrsToList (name: net:
      lib.mapAttrs' (hostName: hostText: lib.nameValuePair "tinc/${name}/hosts/${hostName}" { mode = "0644"; user = "tinc-${name}"; text = hostText; }) net.hosts
      // {
        "tinc/${name}/tinc.conf" = { mode = "0444"; text = "${text ({ Interface = "tinc.${name}"; } // net.settings)}\n${net.extraConfig}\n"; };
      }) networks);
    users.users = lib.mapAttrs' (name: _: lib.nameValuePair "tinc-${name}" { description = "Tinc daemon user for ${name}"; isSystemUser = true; group = "tinc-${name}"; }) networks;
    users.groups = lib.mapAttrs' (name: _: lib.nameValuePair "tinc-${name}" { }) networks;
    systemd.services = lib.mapAttrs' (name: net: lib.nameValuePair "tinc.${name}" {
      description = "Tinc Daemon - ${name}";
      documentation = [ "man:tincd(8)" ];
      wantedBy = [ "multi-user.target" ];
      path = [ net.package pkgs.iproute2 ];
      restartTriggers = [ (builtins.toJSON net.hosts) (builtins.toJSON net.settings) ];
      preStart = ''
        mkdir -p /etc/tinc/${name}/hosts
        chown tinc-${name} /etc/tinc/${name}/hosts
        ${lib.optionalString (net.rsaPrivateKeyFile == null) "[ -f /etc/tinc/${name}/rsa_key.priv ] || yes '' | tincd -n ${name} -K 4096"}
      '';
      serviceConfig = {
        Type = "simple";
        Restart = "always";
        RestartSec = "3";
        ExecStart = "${net.package}/bin/tincd -D -U tinc-${name} -n ${name} ${lib.optionalString net.chroot "-R"} --pidfile /run/tinc.${name}.pid -d ${toString net.debugLevel}";
      };
    }) networks;
  };
}
