# `services.etcd`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption;
  inherit (import ../short.nix { inherit lib; }) option flag maybe enable package;
  cfg = config.services.etcd;
  list = lib.concatStringsSep ",";
in
{
  options.services.etcd = {
    enable = enable "etcd, a distributed store of keys and values";
    package = package "etcd" pkgs.etcd;
    name = option types.str config.networking.hostName "Name of the member.";
    listenClientUrls = option (types.listOf types.str) [ "http://127.0.0.1:2379" ] "Where clients connect.";
    advertiseClientUrls = option (types.listOf types.str) cfg.listenClientUrls "What clients are told of that.";
    listenPeerUrls = option (types.listOf types.str) [ "http://127.0.0.1:2380" ] "Where other members connect.";
    initialAdvertisePeerUrls = option (types.listOf types.str) cfg.listenPeerUrls "What other members are told of that.";
    initialCluster = option (types.listOf types.str) (map (url: "${cfg.name}=${url}") cfg.listenPeerUrls) "Members to start with.";
    initialClusterState = option (types.enum [ "new" "existing" ]) "new" "Whether the cluster is there already.";
    initialClusterToken = option types.str "etcd-cluster" "Token of the cluster.";
    discovery = option types.str "" "URL of a discovery service.";
    clientCertAuth = flag false "Whether clients must have a certificate.";
    trustedCaFile = maybe types.path "Authority of clients' certificates.";
    certFile = maybe types.path "Certificate for clients.";
    keyFile = maybe types.path "Its key.";
    peerCertFile = option (types.nullOr types.path) cfg.certFile "Certificate for other members.";
    peerKeyFile = option (types.nullOr types.path) cfg.keyFile "Its key.";
    peerTrustedCaFile = option (types.nullOr types.path) cfg.trustedCaFile "Authority of other members' certificates.";
    peerClientCertAuth = flag false "Whether other members must have a certificate.";
    openFirewall = flag false "Whether the firewall lets ports 2379 and 2380 through.";
    extraConf = option (types.attrsOf types.str) { } "Further variables, without `ETCD_`.";
    dataDir = option types.path "/var/lib/etcd" "Where the data lie.";
  };

  config = mkIf cfg.enable {
    users.users.etcd = {
      isSystemUser = true;
      group = "etcd";
      description = "Etcd daemon user";
      home = cfg.dataDir;
    };
    users.groups.etcd = { };
    environment.systemPackages = [ cfg.package ];
    networking.firewall.allowedTCPPorts = mkIf cfg.openFirewall [ 2379 2380 ];
    systemd.tmpfiles.rules = [ "d '${cfg.dataDir}' 0700 etcd etcd - -" ];

    systemd.services.etcd = {
      description = "etcd key-value store";
      wantedBy = [ "multi-user.target" ];
      after = [ "network-online.target" ] ++ lib.optional config.networking.firewall.enable "firewall.service";
      wants = [ "network-online.target" ] ++ lib.optional config.networking.firewall.enable "firewall.service";
      environment =
        lib.filterAttrs (_: value: value != null) {
          ETCD_NAME = cfg.name;
          ETCD_DISCOVERY = if cfg.discovery != "" then cfg.discovery else null;
          ETCD_DATA_DIR = cfg.dataDir;
          ETCD_ADVERTISE_CLIENT_URLS = list cfg.advertiseClientUrls;
          ETCD_LISTEN_CLIENT_URLS = list cfg.listenClientUrls;
          ETCD_LISTEN_PEER_URLS = list cfg.listenPeerUrls;
          ETCD_INITIAL_ADVERTISE_PEER_URLS = list cfg.initialAdvertisePeerUrls;
          ETCD_PEER_CLIENT_CERT_AUTH = lib.boolToString cfg.peerClientCertAuth;
          ETCD_PEER_TRUSTED_CA_FILE = cfg.peerTrustedCaFile;
          ETCD_PEER_CERT_FILE = cfg.peerCertFile;
          ETCD_PEER_KEY_FILE = cfg.peerKeyFile;
          ETCD_CLIENT_CERT_AUTH = lib.boolToString cfg.clientCertAuth;
          ETCD_TRUSTED_CA_FILE = cfg.trustedCaFile;
          ETCD_CERT_FILE = cfg.certFile;
          ETCD_KEY_FILE = cfg.keyFile;
        }
        // lib.optionalAttrs (cfg.discovery == "") {
          ETCD_INITIAL_CLUSTER = list cfg.initialCluster;
          ETCD_INITIAL_CLUSTER_STATE = cfg.initialClusterState;
          ETCD_INITIAL_CLUSTER_TOKEN = cfg.initialClusterToken;
        }
        // lib.mapAttrs' (name: value: lib.nameValuePair "ETCD_${name}" value) cfg.extraConf;
      unitConfig.Documentation = "https://github.com/coreos/etcd";
      serviceConfig = {
        Type = "notify";
        Restart = "always";
        RestartSec = "30s";
        ExecStart = "${cfg.package}/bin/etcd";
        User = "etcd";
        LimitNOFILE = 40000;
      };
    };
  };
}
