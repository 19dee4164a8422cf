# `services.dnscrypt-proxy`: a resolver on the machine that asks over encrypted connections.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption;
  inherit (import ../short.nix { inherit lib; }) option flag enable package confinement;
  cfg = config.services.dnscrypt-proxy;
  format = pkgs.formats.toml { };
in
{
  imports = [
    (lib.mkRenamedOptionModule [ "services" "dnscrypt-proxy2" ] [ "services" "dnscrypt-proxy" ])
  ];

  options.services.dnscrypt-proxy = {
    enable = enable "dnscrypt-proxy, a resolver that asks over encrypted connections";
    package = package "dnscrypt-proxy" pkgs.dnscrypt-proxy;
    settings = option format.type { } "Settings of dnscrypt-proxy.toml.";
    upstreamDefaults = flag true "Whether settings that are not given are the program's own: the list of public resolvers, which machines cannot fetch without `--internet`.";
    configFile = mkOption {
      type = types.path;
      default = format.generate "dnscrypt-proxy.toml" (
        lib.optionalAttrs cfg.upstreamDefaults {
          listen_addresses = [ "127.0.0.1:53" ];
          sources.public-resolvers = {
            urls = [ "https://download.dnscrypt.info/resolvers-list/v3/public-resolvers.md" ];
            minisign_key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
            cache_file = "public-resolvers.md";
          };
        }
        // cfg.settings
      );
      defaultText = "made from `settings`";
      description = "The configuration, instead of `settings`.";
    };
  };

  config = mkIf cfg.enable {
    networking.nameservers = lib.mkDefault [ "127.0.0.1" ];

    systemd.services.dnscrypt-proxy = {
      description = "DNSCrypt-proxy client";
      aliases = [ "dnscrypt-proxy2.service" ];
      wants = [ "network-online.target" "nss-lookup.target" ];
      before = [ "nss-lookup.target" ];
      wantedBy = [ "multi-user.target" ];
      serviceConfig = confinement // {
        ExecStart = "${lib.getExe cfg.package} -config ${cfg.configFile}";
        AmbientCapabilities = "CAP_NET_BIND_SERVICE";
        CapabilityBoundingSet = "CAP_NET_BIND_SERVICE";
        CacheDirectory = "dnscrypt-proxy";
        LogsDirectory = "dnscrypt-proxy";
        RuntimeDirectory = "dnscrypt-proxy";
        StateDirectory = "dnscrypt-proxy";
        WorkingDirectory = "/var/lib/dnscrypt-proxy";
        DynamicUser = true;
        Restart = "always";
        RestrictAddressFamilies = [ "AF_INET" "AF_INET6" ];
        UMask = "0077";
      };
    };
  };
}
