# Parts of NixOS that this version refuses as a whole. They are declared so that the error says
# why, instead of that the option does not exist.
{ config, options, lib, ... }:
let
  inherit (lib) mkOption types;
  parts = {
    "containers" = "containers inside a machine need Nix in it";
    "security.apparmor" = "AppArmor's profiles of NixOS name store paths that do not hold Debian's programs";
    "security.acme" = "certificates by ACME are not fetched";
    "security.tpm2" = "machines have no TPM in this version";
    "security.auditd" = "the audit daemon is not set up";
    "networking.networkmanager" = "NetworkManager is not set up; use networking.interfaces or systemd.network";
    "networking.wireless" = "machines have no radio";
    "virtualisation.libvirtd" = "machines inside machines are not set up";
    "virtualisation.oci-containers" = "containers from images of a registry cannot be fetched";
    "virtualisation.lxc" = "containers inside a machine are not set up";
    "virtualisation.incus" = "containers inside a machine are not set up";
    "virtualisation.xen" = "machines run Debian's kernel on QEMU";
    "krb5" = "use environment.etc.\"krb5.conf\"";
    "systemd.nspawn" = "containers inside a machine are not set up";
    "systemd.oomd" = "systemd-oomd is not set up";
    "systemd.repart" = "disks are made by the test's virtualisation options";
    "systemd.sysupdate" = "machines are not updated";
    "environment.memoryAllocator" = "programs are Debian's, with glibc's allocator";
    "services.nix-serve" = "machines hold no Nix store that could be served";
    "hardware.nvidia" = "machines have no such card";
  } // absent;
  # Services whose programs Debian does not have.
  absent = lib.mapAttrs' (name: program: lib.nameValuePair "services.${name}" "Debian has no ${program}") {
    grafana = "Grafana";
    promtail = "Promtail";
    minio = "MinIO";
    consul = "Consul";
    matrix-synapse = "Synapse";
    jitsi-videobridge = "the Jitsi videobridge";
    ttyd = "ttyd";
    _3proxy = "3proxy";
    h2o = "H2O";
    kanboard = "Kanboard";
    bitcoind = "bitcoind";
    gitea = "Gitea";
    forgejo = "Forgejo";
    vault = "Vault";
    telegraf = "Telegraf";
    couchdb = "CouchDB";
    elasticsearch = "Elasticsearch";
    opensearch = "OpenSearch";
    netdata = "Netdata";
    mongodb = "MongoDB";
    clickhouse = "ClickHouse";
    apache-kafka = "Kafka";
    cassandra = "Cassandra";
    tailscale = "Tailscale";
    zerotierone = "ZeroTier";
    traefik = "Traefik";
    jenkins = "Jenkins";
    gitlab = "GitLab";
    nextcloud = "Nextcloud";
    jellyfin = "Jellyfin";
    vaultwarden = "Vaultwarden";
    keycloak = "Keycloak";
    home-assistant = "Home Assistant";
    k3s = "K3s";
    influxdb2 = "InfluxDB 2";
    solanum = "Solanum";
  };
  names = lib.attrNames parts;
  path = lib.splitString ".";
  # Turning a part off is no demand for it.
  wanted = value: value != { } && value != { enable = false; };
in
{
  options = lib.foldl lib.recursiveUpdate { } (
    map (
      name:
      lib.setAttrByPath (path name) (mkOption {
        type = types.submodule { freeformType = types.attrsOf types.anything; };
        default = { };
        description = "Not supported: ${parts.${name}}.";
      })
    ) names
  );

  config.snowglobe.refused = lib.listToAttrs (
    map (name: lib.nameValuePair name parts.${name}) (lib.filter (name: wanted (lib.getAttrFromPath (path name) config)) names)
  );
}
