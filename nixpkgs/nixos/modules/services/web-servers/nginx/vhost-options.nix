# Options of `services.nginx.virtualHosts.<name>`.
{ lib, config }:
let
  inherit (lib) types mkOption;
  inherit (import ../../short.nix { inherit lib; }) option flag maybe lines required;
in
{ name, ... }:
{
  options = {
    serverName = maybe types.str "Name of the host; default: the attribute's name.";
    serverAliases = option (types.listOf types.str) [ ] "Further names.";
    listen = option (types.listOf (types.submodule {
      options = {
        addr = required types.str "Address, or `unix:` and a path.";
        port = maybe types.port "Port.";
        ssl = flag false "Whether TLS is spoken here.";
        proxyProtocol = flag false "Whether the PROXY protocol is spoken here.";
        extraParameters = option (types.listOf types.str) [ ] "Further words of the directive.";
      };
    })) [ ] "Where to listen; overrides `listenAddresses` and the default ports.";
    listenAddresses = option (types.listOf types.str) [ ] "Addresses to listen at, at the default ports.";
    enableACME = flag false "Not supported: certificates are not fetched.";
    useACMEHost = maybe types.str "Not supported: certificates are not fetched.";
    acmeRoot = option (types.nullOr types.path) "/var/lib/acme/acme-challenge" "Harmless: used with ACME only, which is not supported.";
    acmeFallbackHost = maybe types.str "Harmless: used with ACME only, which is not supported.";
    addSSL = flag false "TLS besides plain HTTP.";
    onlySSL = flag false "TLS and no plain HTTP.";
    forceSSL = flag false "TLS, and plain HTTP only to send clients there.";
    rejectSSL = flag false "TLS handshakes for this host are refused.";
    kTLS = flag false "TLS in the kernel.";
    sslCertificate = mkOption { type = types.path; description = "Certificate of the host."; };
    sslCertificateKey = mkOption { type = types.path; description = "Its key."; };
    sslTrustedCertificate = maybe types.path "Certificates trusted for stapling.";
    http2 = flag true "Whether HTTP/2 is offered over TLS.";
    http3 = flag true "Whether HTTP/3 is offered, with `quic`.";
    http3_hq = flag false "HTTP/0.9 over QUIC, for interoperability tests.";
    quic = flag false "Whether QUIC is spoken.";
    reuseport = flag false "A listening socket for each worker.";
    root = maybe types.path "Directory of the documents.";
    default = flag false "Whether this host answers for unknown names.";
    extraConfig = lines "Further text of the host.";
    globalRedirect = maybe types.str "Host that all requests are sent to.";
    redirectCode = option (types.ints.between 300 399) 301 "Status of redirects.";
    basicAuth = option (types.attrsOf types.str) { } "Users and their passwords, which everybody on the machine can read.";
    basicAuthFile = maybe types.path "File of users and hashed passwords (htpasswd).";
    locations = option (types.attrsOf (types.submodule (import ./location-options.nix { inherit lib config; }))) { } "Locations, by what they match.";
  };
}
