# Options of `services.httpd.virtualHosts.<name>`.
{ name, lib, ... }:
let
  inherit (lib) types mkOption;
  inherit (import ../../short.nix { inherit lib; }) option flag maybe lines required;
in
{
  options = {
    hostName = option types.str name "Name of the host.";
    serverAliases = option (types.listOf types.str) [ ] "Further names.";
    listen = option (types.listOf (types.submodule {
      options = {
        ip = option types.str "*" "Address.";
        port = required types.port "Port.";
        ssl = flag false "Whether TLS is spoken here.";
      };
    })) [ ] "Where to listen; overrides `listenAddresses` and the default ports.";
    listenAddresses = option (types.listOf types.str) [ "*" ] "Addresses to listen at, at the default ports.";
    enableSSL = flag false "TLS and no plain HTTP.";
    addSSL = flag false "TLS besides plain HTTP.";
    onlySSL = flag false "TLS and no plain HTTP.";
    forceSSL = flag false "TLS, and plain HTTP only to send clients there.";
    enableACME = flag false "Not supported: certificates are not fetched.";
    useACMEHost = maybe types.str "Not supported: certificates are not fetched.";
    sslServerCert = mkOption { type = types.path; description = "Certificate of the host."; };
    sslServerKey = mkOption { type = types.path; description = "Its key."; };
    sslServerChain = maybe types.path "Certificates between it and an authority.";
    http2 = flag true "Whether HTTP/2 is offered over TLS.";
    adminAddr = maybe types.str "Mail address of the administrator.";
    documentRoot = maybe types.path "Directory of the documents.";
    servedDirs = option (types.listOf types.attrs) [ ] "Directories and where they appear: `{ urlPath, dir }`.";
    servedFiles = option (types.listOf types.attrs) [ ] "Files and where they appear: `{ urlPath, file }`.";
    extraConfig = lines "Further text of the host.";
    enableUserDir = flag false "Whether `~user` shows a user's public_html.";
    globalRedirect = maybe types.str "URL that all requests are sent to.";
    logFormat = option types.str "common" "Format of the log of requests.";
    robotsEntries = lines "Content of robots.txt.";
    locations = option (types.attrsOf (types.submodule {
      options = {
        proxyPass = maybe types.str "Where requests go on to.";
        index = maybe types.str "Files that answer for a directory.";
        alias = maybe types.path "Directory that stands for the location.";
        extraConfig = lines "Further text of the location.";
        priority = option types.int 1000 "Place among the locations; lower comes first.";
      };
    })) { } "Locations, by path.";
  };
}
