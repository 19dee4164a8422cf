# `networking.wireguard` and `networking.wg-quick`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.networking.wireguard;
  quick = config.networking.wg-quick;

  optional = type: description: mkOption { type = types.nullOr type; default = null; inherit description; };
  lines = description: mkOption { type = types.lines; default = ""; inherit description; };

  peer = { name, ... }: {
    options = {
      name = mkOption { type = types.str; default = "peer"; description = "Name of the peer, for its unit."; };
      publicKey = mkOption { type = types.singleLineStr; description = "Public key."; };
      presharedKey = optional types.str "Shared key.";
      presharedKeyFile = optional types.str "File with the shared key.";
      allowedIPs = mkOption { type = types.listOf types.str; default = [ ]; description = "Networks behind the peer."; };
      endpoint = optional types.str "Address and port.";
      dynamicEndpointRefreshSeconds = mkOption { type = types.int; default = 0; description = "How often the name of the endpoint is looked up; 0: once."; };
      dynamicEndpointRefreshRestartSeconds = optional types.ints.unsigned "After how long a failed look-up is repeated.";
      persistentKeepalive = optional types.int "Seconds between packets that keep the way open.";
    };
  };

  interface = {
    options = {
      type = mkOption { type = types.enum [ "wireguard" "amneziawg" ]; default = "wireguard"; description = "Only `wireguard`."; };
      ips = mkOption { type = types.listOf types.str; default = [ ]; description = "Addresses of this end."; };
      privateKey = optional types.str "Private key.";
      privateKeyFile = optional types.str "File with the private key.";
      generatePrivateKeyFile = mkOption { type = types.bool; default = false; description = "Whether a missing private key is made."; };
      listenPort = optional types.int "Port.";
      preSetup = lines "Shell commands before.";
      postSetup = lines "Shell commands after.";
      preShutdown = lines "Shell commands before the interface goes.";
      postShutdown = lines "Shell commands after the interface went.";
      table = mkOption { type = types.str; default = "main"; description = "Routing table of the peers' networks."; };
      peers = mkOption { type = types.listOf (types.submodule peer); default = [ ]; description = "Peers."; };
      allowedIPsAsRoutes = mkOption { type = types.bool; default = true; description = "Whether routes lead to the peers' networks."; };
      socketNamespace = optional types.str "Name space of the outer socket.";
      interfaceNamespace = optional types.str "Name space of the interface.";
      fwMark = optional types.str "Mark of outer packets.";
      mtu = optional types.int "Largest packet.";
      metric = optional types.int "Metric of routes.";
      dynamicEndpointRefreshSeconds = mkOption { type = types.int; default = 0; description = "How often names of endpoints are looked up."; };
      extraOptions = mkOption { type = types.attrsOf types.str; default = { }; description = "Not supported: options of AmneziaWG."; };
    };
  };

  # A key in clear text lies in the store, as upstream says of it.
  keyFile = name: key: file: if file != null then file else toString (pkgs.writeText name key);

  unitOfPeer = name: peer: "wireguard-${name}-peer-${lib.replaceStrings [ "/" "+" "=" ] [ "-" "\\x2b" "\\x3d" ] peer.publicKey}";
  wg = "${pkgs.wireguard-tools}/bin/wg";
  ip = "${pkgs.iproute2}/bin/ip";

  within = namespace: command: if namespace == null then command else "${ip} netns exec ${namespace} ${command}";
  ipIn = namespace: if namespace == null then ip else "${ip} -n ${namespace}";

  interfaceUnit = name: values:
    let
      key = keyFile "wireguard-${name}-key" values.privateKey (
        if values.privateKeyFile != null then values.privateKeyFile else null
      );
      inside = ipIn values.interfaceNamespace;
      outside = ipIn values.socketNamespace;
    in
    lib.nameValuePair "wireguard-${name}" {
      description = "WireGuard Tunnel - ${name}";
      after = [ "network-pre.target" ] ++ lib.optional values.generatePrivateKeyFile "wireguard-${name}-key.service";
      wants = [ "network.target" ];
      before = [ "network.target" ];
      requires = lib.optional values.generatePrivateKeyFile "wireguard-${name}-key.service";
      wantedBy = [ "multi-user.target" ];
      environment.DEVICE = name;
      path = [ pkgs.kmod pkgs.iproute2 pkgs.wireguard-tools ];
      serviceConfig = { Type = "oneshot"; RemainAfterExit = true; };
      script = ''
        ${values.preSetup}
        ${outside} link add dev ${name} type wireguard
        ${lib.optionalString (values.interfaceNamespace != null && values.interfaceNamespace != values.socketNamespace) "${outside} link set ${name} netns ${values.interfaceNamespace}"}
        ${lib.optionalString (values.mtu != null) "${inside} link set dev ${name} mtu ${toString values.mtu}"}
        ${lib.concatMapStrings (address: "${inside} address add ${address} dev ${name}\n") values.ips}
        ${within values.interfaceNamespace wg} set ${name} private-key ${key}${lib.optionalString (values.listenPort != null) " listen-port ${toString values.listenPort}"}${lib.optionalString (values.fwMark != null) " fwmark ${values.fwMark}"}
        ${inside} link set up dev ${name}
        ${values.postSetup}
      '';
      postStop = ''
        ${values.preShutdown}
        ${inside} link del dev ${name}
        ${values.postShutdown}
      '';
    };

  keyUnit = name: values:
    lib.nameValuePair "wireguard-${name}-key" {
      description = "WireGuard Tunnel - ${name} - Key Generator";
      wantedBy = [ "wireguard-${name}.service" ];
      requiredBy = [ "wireguard-${name}.service" ];
      before = [ "wireguard-${name}.service" ];
      path = [ pkgs.wireguard-tools ];
      serviceConfig = { Type = "oneshot"; RemainAfterExit = true; };
      script = ''
        umask 077
        mkdir -p "$(dirname ${lib.escapeShellArg values.privateKeyFile})"
        [ -f ${lib.escapeShellArg values.privateKeyFile} ] || ${wg} genkey > ${lib.escapeShellArg values.privateKeyFile}
      '';
    };

  peerUnit = name: values: peer:
    let
      shared = if peer.presharedKey == null && peer.presharedKeyFile == null then null else keyFile "wireguard-psk" peer.presharedKey peer.presharedKeyFile;
      refresh = if peer.dynamicEndpointRefreshSeconds != 0 then peer.dynamicEndpointRefreshSeconds else values.dynamicEndpointRefreshSeconds;
      set = "${within values.interfaceNamespace wg} set ${name} peer ${lib.escapeShellArg peer.publicKey}${
        lib.optionalString (shared != null) " preshared-key ${shared}"
      }${lib.optionalString (peer.endpoint != null) " endpoint ${lib.escapeShellArg peer.endpoint}"}${
        lib.optionalString (peer.persistentKeepalive != null) " persistent-keepalive ${toString peer.persistentKeepalive}"
      }${lib.optionalString (peer.allowedIPs != [ ]) " allowed-ips ${lib.escapeShellArg (lib.concatStringsSep "," peer.allowedIPs)}"}";
      inside = ipIn values.interfaceNamespace;
      routes = verb: lib.optionalString values.allowedIPsAsRoutes (
        lib.concatMapStrings (
          network: "${inside} route ${verb} ${network} dev ${name} table ${values.table}${lib.optionalString (verb == "replace" && values.metric != null) " metric ${toString values.metric}"}\n"
        ) peer.allowedIPs
      );
    in
    lib.nameValuePair (unitOfPeer name peer) {
      description = "WireGuard Peer - ${name} - ${peer.name}";
      requires = [ "wireguard-${name}.service" ];
      wants = [ "network-online.target" ];
      after = [ "wireguard-${name}.service" "network-online.target" ];
      wantedBy = [ "wireguard-${name}.service" ];
      environment.DEVICE = name;
      path = [ pkgs.iproute2 pkgs.wireguard-tools ];
      serviceConfig =
        if refresh == 0 then
          { Type = "oneshot"; RemainAfterExit = true; }
        else
          {
            Type = "simple";
            Restart = "always";
            RestartSec = if peer.dynamicEndpointRefreshRestartSeconds != null then peer.dynamicEndpointRefreshRestartSeconds else refresh;
          };
      unitConfig = lib.optionalAttrs (refresh != 0) { StartLimitIntervalSec = 0; };
      script = ''
        ${set}
        ${routes "replace"}
        ${lib.optionalString (refresh != 0) "while ${set}; do sleep ${toString refresh}; done"}
      '';
      postStop = ''
        ${within values.interfaceNamespace wg} set ${name} peer ${lib.escapeShellArg peer.publicKey} remove
        ${routes "delete"}
      '';
    };

  quickInterface = {
    options = {
      configFile = optional types.str "A whole configuration file.";
      type = mkOption { type = types.enum [ "wireguard" "amneziawg" ]; default = "wireguard"; description = "Only `wireguard`."; };
      address = mkOption { type = types.listOf types.str; default = [ ]; description = "Addresses of this end."; };
      autostart = mkOption { type = types.bool; default = true; description = "Whether the interface is up after boot."; };
      dns = mkOption { type = types.listOf types.str; default = [ ]; description = "DNS servers."; };
      privateKey = optional types.str "Private key.";
      privateKeyFile = optional types.str "File with the private key.";
      generatePrivateKeyFile = mkOption { type = types.bool; default = false; description = "Whether a missing private key is made."; };
      listenPort = optional types.int "Port.";
      preUp = lines "Shell commands before the interface is up.";
      postUp = lines "Shell commands after the interface is up.";
      preDown = lines "Shell commands before the interface goes.";
      postDown = lines "Shell commands after the interface went.";
      table = optional types.str "Routing table.";
      mtu = optional types.int "Largest packet.";
      extraOptions = mkOption { type = types.attrsOf types.str; default = { }; description = "Not supported: options of AmneziaWG."; };
      peers = mkOption {
        type = types.listOf (types.submodule {
          options = {
            publicKey = mkOption { type = types.str; description = "Public key."; };
            presharedKey = optional types.str "Shared key.";
            presharedKeyFile = optional types.str "File with the shared key.";
            allowedIPs = mkOption { type = types.listOf types.str; default = [ ]; description = "Networks behind the peer."; };
            endpoint = optional types.str "Address and port.";
            persistentKeepalive = optional types.int "Seconds between packets that keep the way open.";
          };
        });
        default = [ ];
        description = "Peers.";
      };
    };
  };

  quickConfig = name: values:
    let
      hook = directive: text: lib.optionalString (text != "") "${directive} = ${pkgs.writeShellScript "wg-quick-${name}-${directive}" "set -e\n${text}"}\n";
      line = directive: value: lib.optionalString (value != null) "${directive} = ${toString value}\n";
      keys =
        lib.optionalString (values.privateKeyFile != null) "${wg} set ${name} private-key <(cat ${values.privateKeyFile})\n"
        + lib.concatMapStrings (
          peer: lib.optionalString (peer.presharedKeyFile != null) "${wg} set ${name} peer ${peer.publicKey} preshared-key <(cat ${peer.presharedKeyFile})\n"
        ) values.peers;
    in
    pkgs.writeTextFile {
      name = "wg-quick-${name}";
      destination = "/${name}.conf";
      text = ''
        [Interface]
        ${line "PrivateKey" values.privateKey}${line "ListenPort" values.listenPort}${line "MTU" values.mtu}${line "Table" values.table}${
          lib.optionalString (values.address != [ ]) "Address = ${lib.concatStringsSep ", " values.address}\n"
        }${lib.optionalString (values.dns != [ ]) "DNS = ${lib.concatStringsSep ", " values.dns}\n"}${
          hook "PreUp" (
            lib.optionalString values.generatePrivateKeyFile ''
              umask 077
              mkdir -p "$(dirname ${values.privateKeyFile})"
              [ -f ${values.privateKeyFile} ] || ${wg} genkey > ${values.privateKeyFile}
            ''
            + values.preUp
          )
        }${hook "PostUp" (keys + values.postUp)}${hook "PreDown" values.preDown}${hook "PostDown" values.postDown}
      ''
      + lib.concatMapStrings (peer: ''

        [Peer]
        PublicKey = ${peer.publicKey}
        ${line "PresharedKey" peer.presharedKey}${line "Endpoint" peer.endpoint}${line "PersistentKeepalive" peer.persistentKeepalive}${
          lib.optionalString (peer.allowedIPs != [ ]) "AllowedIPs = ${lib.concatStringsSep ", " peer.allowedIPs}\n"
        }
      '') values.peers;
    };

  quickUnit = name: values:
    let
      file = if values.configFile != null then values.configFile else "${quickConfig name values}/${name}.conf";
    in
    lib.nameValuePair "wg-quick-${name}" {
      description = "wg-quick WireGuard Tunnel - ${name}";
      requires = [ "network-online.target" ];
      after = [ "network.target" "network-online.target" ];
      wantedBy = lib.optional values.autostart "multi-user.target";
      environment.DEVICE = name;
      path = [ pkgs.wireguard-tools pkgs.iproute2 pkgs.iptables ];
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = "/usr/bin/wg-quick up ${file}";
        ExecStop = "/usr/bin/wg-quick down ${file}";
      };
    };
in
{
  options.networking = {
    wireguard = {
      enable = mkOption { type = types.bool; default = cfg.interfaces != { }; defaultText = "whether there are interfaces"; description = "Whether there are tunnels of WireGuard."; };
      useNetworkd = mkOption { type = types.bool; default = false; description = "Not supported: tunnels made by networkd; use systemd.network."; };
      interfaces = mkOption { type = types.attrsOf (types.submodule interface); default = { }; description = "Interfaces."; };
    };
    wg-quick.interfaces = mkOption { type = types.attrsOf (types.submodule quickInterface); default = { }; description = "Interfaces made by wg-quick."; };
  };

  config = lib.mkMerge [
    (lib.mkIf cfg.enable {
      assertions = lib.concatLists (lib.mapAttrsToList (name: values: [
        {
          assertion = (values.privateKey != null) != (values.privateKeyFile != null);
          message = "networking.wireguard.interfaces.${name} needs exactly one of privateKey and privateKeyFile.";
        }
        {
          assertion = values.generatePrivateKeyFile -> values.privateKeyFile != null;
          message = "networking.wireguard.interfaces.${name}.generatePrivateKeyFile needs privateKeyFile.";
        }
      ] ++ map (peer: {
        assertion = peer.presharedKey == null || peer.presharedKeyFile == null;
        message = "networking.wireguard.interfaces.${name}: a peer has both presharedKey and presharedKeyFile.";
      }) values.peers) cfg.interfaces);

      snowglobe.refused =
        lib.optionalAttrs cfg.useNetworkd { "networking.wireguard.useNetworkd" = "use systemd.network.netdevs"; }
        // lib.optionalAttrs (lib.any (values: values.type != "wireguard" || values.extraOptions != { }) (lib.attrValues cfg.interfaces)) {
          "networking.wireguard.interfaces.<name>.type" = "Debian has no AmneziaWG";
        };

      boot.kernelModules = [ "wireguard" ];
      environment.systemPackages = [ pkgs.wireguard-tools ];
      systemd.services =
        lib.mapAttrs' interfaceUnit cfg.interfaces
        // lib.mapAttrs' keyUnit (lib.filterAttrs (_: values: values.generatePrivateKeyFile) cfg.interfaces)
        // lib.listToAttrs (lib.concatLists (lib.mapAttrsToList (name: values: map (peerUnit name values) values.peers) cfg.interfaces));
    })
    (lib.mkIf (quick.interfaces != { }) {
      snowglobe.refused = lib.optionalAttrs (lib.any (values: values.type != "wireguard" || values.extraOptions != { }) (lib.attrValues quick.interfaces)) {
        "networking.wg-quick.interfaces.<name>.type" = "Debian has no AmneziaWG";
      };
      boot.kernelModules = [ "wireguard" ];
      environment.systemPackages = [ pkgs.wireguard-tools ];
      systemd.services = lib.mapAttrs' quickUnit quick.interfaces;
    })
  ];
}
