# `services.avahi`: names and services of the local network.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf;
  inherit (import ../short.nix { inherit lib; }) option flag maybe lines enable package;
  cfg = config.services.avahi;
  yes = value: if value then "yes" else "no";
  configFile = pkgs.writeText "avahi-daemon.conf" ''
    [server]
    ${lib.optionalString (cfg.hostName != "") "host-name=${cfg.hostName}"}
    browse-domains=${lib.concatStringsSep ", " cfg.browseDomains}
    use-ipv4=${yes cfg.ipv4}
    use-ipv6=${yes cfg.ipv6}
    ${lib.optionalString (cfg.allowInterfaces != null) "allow-interfaces=${lib.concatStringsSep "," cfg.allowInterfaces}"}
    ${lib.optionalString (cfg.denyInterfaces != null) "deny-interfaces=${lib.concatStringsSep "," cfg.denyInterfaces}"}
    ${lib.optionalString (cfg.domainName != null) "domain-name=${cfg.domainName}"}
    allow-point-to-point=${yes cfg.allowPointToPoint}
    ${lib.optionalString (cfg.cacheEntriesMax != null) "cache-entries-max=${toString cfg.cacheEntriesMax}"}

    [wide-area]
    enable-wide-area=${yes cfg.wideArea}

    [publish]
    disable-publishing=${yes (!cfg.publish.enable)}
    disable-user-service-publishing=${yes (!cfg.publish.userServices)}
    publish-addresses=${yes (cfg.publish.userServices || cfg.publish.addresses)}
    publish-hinfo=${yes cfg.publish.hinfo}
    publish-workstation=${yes cfg.publish.workstation}
    publish-domain=${yes cfg.publish.domain}

    [reflector]
    enable-reflector=${yes cfg.reflector}
    ${cfg.extraConfig}
  '';
  nss4 = cfg.nssmdns4;
  nss6 = cfg.nssmdns6;
  suffix = if nss4 && nss6 then "" else if nss4 then "4" else "6";
in
{
  imports = [
    (lib.mkRenamedOptionModule [ "services" "avahi" "interfaces" ] [ "services" "avahi" "allowInterfaces" ])
    (lib.mkRenamedOptionModule [ "services" "avahi" "nssmdns" ] [ "services" "avahi" "nssmdns4" ])
  ];

  options.services.avahi = {
    enable = enable "the Avahi daemon";
    package = package "avahi" pkgs.avahi;
    hostName = option types.str config.networking.hostName "Name that is announced." // { defaultText = lib.literalExpression "config.networking.hostName"; };
    domainName = option types.str "local" "Domain of what is announced.";
    browseDomains = option (types.listOf types.str) [ ] "Further domains that are searched.";
    ipv4 = flag true "Whether to use IPv4.";
    ipv6 = flag false "Whether to use IPv6.";
    allowInterfaces = maybe (types.listOf types.str) "The only interfaces to use.";
    denyInterfaces = maybe (types.listOf types.str) "Interfaces not to use.";
    openFirewall = flag true "Whether the firewall lets UDP port 5353 through.";
    allowPointToPoint = flag false "Whether to use interfaces with one peer.";
    wideArea = flag false "Whether names of wide areas are asked for.";
    reflector = flag false "Whether requests are passed on between interfaces.";
    extraServiceFiles = option (types.attrsOf (types.either types.str types.path)) { } "Descriptions of services, by name: text or files.";
    publish = {
      enable = flag false "Whether anything is announced.";
      userServices = flag false "Whether programs of users may announce services.";
      addresses = flag false "Whether the machine's addresses are announced.";
      hinfo = flag false "Whether its system and processor are announced.";
      workstation = flag false "Whether it is announced as a workstation.";
      domain = flag false "Whether the domain is announced.";
    };
    nssmdns4 = flag false "Whether names below .local are looked up for their IPv4 addresses.";
    nssmdns6 = flag false "Whether names below .local are looked up for their IPv6 addresses.";
    cacheEntriesMax = maybe types.int "Most entries of the cache of an interface.";
    extraConfig = lines "Further text of avahi-daemon.conf.";
  };

  config = mkIf cfg.enable {
    users.users.avahi = { description = "avahi-daemon privilege separation user"; home = "/var/empty"; group = "avahi"; isSystemUser = true; };
    users.groups.avahi = { };

    snowglobe.system.debianPackages = lib.optional (nss4 || nss6) "libnss-mdns";
    system.nssDatabases.hosts = mkIf (nss4 || nss6) (
      lib.mkMerge [
        (lib.mkBefore [ "mdns${suffix}_minimal [NOTFOUND=return]" ])
        (lib.mkOrder 1501 [ "mdns${suffix}" ])
      ]
    );

    environment.systemPackages = [ cfg.package ];
    environment.etc = {
      "avahi/avahi-daemon.conf".source = configFile;
    }
    // lib.mapAttrs' (
      name: value:
      lib.nameValuePair "avahi/services/${name}.service" (if lib.isPath value || lib.hasPrefix "/" value then { source = value; } else { text = value; })
    ) cfg.extraServiceFiles;

    systemd.sockets.avahi-daemon = {
      description = "Avahi mDNS/DNS-SD Stack Activation Socket";
      listenStreams = [ "/run/avahi-daemon/socket" ];
      wantedBy = [ "sockets.target" ];
      after = [ "systemd-tmpfiles-setup.service" ];
    };
    systemd.tmpfiles.rules = [ "d /run/avahi-daemon - avahi avahi -" ];
    systemd.services.avahi-daemon = {
      description = "Avahi mDNS/DNS-SD Stack";
      wantedBy = [ "multi-user.target" ];
      requires = [ "avahi-daemon.socket" ];
      serviceConfig = {
        NotifyAccess = "main";
        BusName = "org.freedesktop.Avahi";
        Type = "dbus";
        # In /etc/avahi alone it could not follow links to where the configuration's files lie.
        ExecStart = "${cfg.package}/bin/avahi-daemon --syslog --no-chroot -f ${configFile}";
      };
    };
    services.dbus.enable = true;
    services.dbus.packages = [ cfg.package ];
    networking.firewall.allowedUDPPorts = mkIf cfg.openFirewall [ 5353 ];
  };
}
