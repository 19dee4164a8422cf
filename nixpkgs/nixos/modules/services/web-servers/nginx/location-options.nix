# Options of `services.nginx.virtualHosts.<name>.locations.<name>`.
{ lib, config }:
let
  inherit (lib) types;
  inherit (import ../../short.nix { inherit lib; }) option flag maybe lines;
in
{
  options = {
    basicAuth = option (types.attrsOf types.str) { } "Users and their passwords, which everybody on the machine can read.";
    basicAuthFile = maybe types.path "File of users and hashed passwords (htpasswd).";
    proxyPass = maybe types.str "Where requests go on to.";
    proxyWebsockets = flag false "Whether connections may become websockets.";
    uwsgiPass = maybe types.str "uWSGI server that answers.";
    index = maybe types.str "Files that answer for a directory.";
    tryFiles = maybe types.str "What is tried, in order.";
    root = maybe types.path "Directory of the documents.";
    alias = maybe types.path "Directory that stands for the location.";
    return = maybe (types.oneOf [ types.str types.int ]) "Answer without looking further: a status, and perhaps a text or URL.";
    fastcgiParams = option (types.attrsOf (types.either types.str types.path)) { } "Parameters for FastCGI, besides the usual ones.";
    extraConfig = lines "Further text of the location.";
    priority = option types.int 1000 "Place among the locations; lower comes first.";
    recommendedProxySettings = flag config.recommendedProxySettings "Whether the proxy headers of `recommendedProxySettings` are sent.";
    recommendedUwsgiSettings = flag config.recommendedUwsgiSettings "Whether the uWSGI parameters of `recommendedUwsgiSettings` are sent.";
  };
}
