# `services.dnsdist`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf;
  inherit (import ../short.nix { inherit lib; }) option flag maybe lines enable package;
  cfg = config.services.dnsdist;
  bracketed = address: if lib.hasInfix ":" address && !(lib.hasPrefix "[" address) then "[${address}]" else address;

  # A provider's certificate lives for a while only: a new one is made before the old one ends, and
  # the old one is still accepted then.
  dnscrypt = cfg.dnscrypt;
  lifetime = dnscrypt.certLifetime * 60;
  dnscryptConfig = lib.optionalString dnscrypt.enable ''
    local certificate, key = "/var/lib/dnsdist/certificate", "/var/lib/dnsdist/certificate-key"
    ${if dnscrypt.providerKey != null then ''
      local provider = "${dnscrypt.providerKey}"
    '' else ''
      local provider = "/var/lib/dnsdist/provider-key"
      local present = io.open(provider, "r")
      if present then
        present:close()
      else
        generateDNSCryptProviderKeys(provider .. ".public", provider)
      end
    ''}
    local made = 0

    local function makeCertificate()
      local now = os.time()
      generateDNSCryptCertificate(provider, certificate, key, now, now, now + ${toString lifetime})
      made = now
    end

    makeCertificate()
    addDNSCryptBind("${bracketed dnscrypt.listenAddress}:${toString dnscrypt.listenPort}", "${dnscrypt.providerName}", certificate, key)

    function maintenance()
      local now = os.time()
      if now - made < ${toString lifetime} * 0.9 then return end
      local server = getDNSCryptBind(0)
      makeCertificate()
      server:loadNewCertificate(certificate, key)
      -- Those who use an old certificate get as long as one lives.
      for _, old in ipairs(server:getCertificatePairs()) do
        local begin = old:getCertificate():getTSStart()
        if os.difftime(now, begin) > 2 * ${toString lifetime} then
          server:markInactive(old:getCertificate():getSerial())
        end
      end
      infolog("DNSCrypt: rotated certificate")
    end
  '';
  configFile = pkgs.writeText "dnsdist.conf" ''
    setLocal('${bracketed cfg.listenAddress}:${toString cfg.listenPort}')
    ${dnscryptConfig}
    ${cfg.extraConfig}
  '';
in
{
  options.services.dnsdist = {
    enable = enable "dnsdist, which spreads name queries over servers";
    package = package "dnsdist" pkgs.dnsdist;
    listenAddress = option types.str "0.0.0.0" "Address.";
    listenPort = option types.port 53 "Port.";
    dnscrypt = {
      enable = flag false "Whether queries over DNSCrypt are answered as well.";
      listenAddress = option types.str "0.0.0.0" "Address for DNSCrypt.";
      listenPort = option types.port 443 "Port for DNSCrypt.";
      providerName = option types.str "2.dnscrypt-cert.${config.networking.hostName}" "Name of the provider, which clients know.";
      providerKey = maybe types.path "File with the provider's secret key; without one, it is made at the first start.";
      certLifetime = option types.ints.positive 15 "Minutes that a certificate is valid for.";
    };
    extraConfig = lines "Further text of the configuration, in Lua.";
  };

  config = mkIf cfg.enable {
    users.users.dnsdist = {
      description = "dnsdist daemons user";
      isSystemUser = true;
      group = "dnsdist";
    };
    users.groups.dnsdist = { };

    systemd.services.dnsdist = {
      description = "dnsdist load balancer";
      documentation = [ "man:dnsdist(1)" ];
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" ];
      startLimitIntervalSec = 0;
      serviceConfig = {
        Type = "notify";
        User = "dnsdist";
        Group = "dnsdist";
        RuntimeDirectory = "dnsdist";
        StateDirectory = "dnsdist";
        ExecStartPre = "${cfg.package}/bin/dnsdist --check-config --config ${configFile}";
        ExecStart = "${cfg.package}/bin/dnsdist --supervised --disable-syslog --config ${configFile}";
        AmbientCapabilities = [ "CAP_NET_BIND_SERVICE" ];
        CapabilityBoundingSet = [ "CAP_NET_BIND_SERVICE" ];
        LimitNOFILE = 16384;
        Restart = "on-failure";
        RestartSec = 2;
      };
    };
  };
}
