# `services.lighttpd`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf optionalString;
  inherit (import ../short.nix { inherit lib; }) option flag lines enable package;
  cfg = config.services.lighttpd;

  # In the order in which lighttpd wants to load them. What the program holds itself is loaded by
  # its name as well; of the others, Debian has some in packages of their own.
  extra = {
    mod_openssl = "lighttpd-mod-openssl";
    mod_webdav = "lighttpd-mod-webdav";
    mod_deflate = "lighttpd-mod-deflate";
    mod_authn_gssapi = "lighttpd-mod-authn-gssapi";
    mod_authn_pam = "lighttpd-mod-authn-pam";
    mod_authn_sasl = "lighttpd-mod-authn-sasl";
    mod_authn_ldap = "lighttpd-modules-ldap";
    mod_authn_dbi = "lighttpd-modules-dbi";
    mod_magnet = "lighttpd-modules-lua";
  };
  known = [
    "mod_rewrite" "mod_redirect" "mod_alias" "mod_access" "mod_auth" "mod_status" "mod_simple_vhost" "mod_evhost" "mod_userdir"
    "mod_secdownload" "mod_fastcgi" "mod_proxy" "mod_cgi" "mod_ssi" "mod_expire" "mod_rrdtool" "mod_accesslog" "mod_authn_file"
    "mod_extforward" "mod_scgi" "mod_setenv" "mod_vhostdb" "mod_wstunnel" "mod_ajp13" "mod_sockproxy" "mod_staticfile" "mod_indexfile" "mod_dirlisting"
  ] ++ lib.attrNames extra;
  gone = [
    "mod_compress" "mod_usertrack" "mod_cml" "mod_evasive" "mod_flv_streaming" "mod_geoip" "mod_mysql_vhost" "mod_authn_mysql" "mod_trigger_b4_dl" "mod_uploadprogress"
  ];
  loaded = lib.filter (name: lib.elem name cfg.enableModules) known;

  types' = lib.concatMapStrings (
    line:
    let words = lib.filter (word: word != "") (lib.splitString " " (lib.trim line)); in
    lib.concatMapStrings (extension: "  \".${extension}\" => \"${lib.head words}\",\n") (lib.drop 1 words)
  ) (lib.filter (line: lib.trim line != "") (lib.splitString "\n" (import ./mime-types.nix)));

  configFile = pkgs.writeText "lighttpd.conf" (
    if cfg.configText != "" then
      "${cfg.configText}\n"
    else
      ''
        server.document-root = "${cfg.document-root}"
        server.port = ${toString cfg.port}
        server.username = "lighttpd"
        server.groupname = "lighttpd"
        server.modules = ( ${lib.concatMapStringsSep ", " (name: "\"${name}\"") loaded} )
        accesslog.use-syslog = "enable"
        server.errorlog-use-syslog = "enable"
        static-file.exclude-extensions = ( ".fcgi", ".php", ".rb", "~", ".inc" )
        index-file.names = ( "index.html" )
        ${optionalString cfg.enableUpstreamMimeTypes "mimetype.assign = (\n${types'}  \"\" => \"application/octet-stream\"\n)"}
        ${optionalString cfg.mod_userdir "userdir.path = \"public_html\""}
        ${optionalString cfg.mod_status ''
          status.status-url = "/server-status"
          status.statistics-url = "/server-statistics"
          status.config-url = "/server-config"
        ''}
        ${cfg.extraConfig}
      ''
  );
in
{
  options.services.lighttpd = {
    enable = enable "the web server lighttpd";
    package = package "lighttpd" pkgs.lighttpd;
    port = option types.port 80 "Port.";
    document-root = option types.path "/srv/www" "Folder that is shown.";
    mod_userdir = flag false "Whether `/~user/` is that user's folder public_html.";
    mod_status = flag false "Whether the server tells its state at /server-status, /server-statistics and /server-config.";
    enableModules = option (types.listOf types.str) [ ] "Modules.";
    enableUpstreamMimeTypes = flag true "Whether types of files are known by their extensions.";
    configText = lines "The whole configuration; default: what these options say.";
    extraConfig = lines "Further text of the configuration.";
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = lib.all (name: lib.elem name (known ++ gone)) cfg.enableModules;
        message = "services.lighttpd.enableModules: lighttpd has no ${lib.concatStringsSep ", " (lib.subtractLists (known ++ gone) cfg.enableModules)}";
      }
    ];
    snowglobe.refused = mkIf (lib.any (name: lib.elem name gone) cfg.enableModules) {
      "services.lighttpd.enableModules" = "Debian's lighttpd ${cfg.package.version} has no ${lib.concatStringsSep ", " (lib.intersectLists gone cfg.enableModules)}";
    };

    services.lighttpd.enableModules = [ "mod_accesslog" ] ++ lib.optional cfg.mod_status "mod_status" ++ lib.optional cfg.mod_userdir "mod_userdir";
    snowglobe.system.debianPackages = map (name: extra.${name}) (lib.filter (name: extra ? ${name}) loaded);

    users.users.lighttpd = { group = "lighttpd"; description = "lighttpd web server privilege separation user"; uid = config.ids.uids.lighttpd; };
    users.groups.lighttpd.gid = config.ids.gids.lighttpd;

    systemd.services.lighttpd = {
      description = "Lighttpd Web Server";
      after = [ "network.target" ];
      wantedBy = [ "multi-user.target" ];
      serviceConfig = {
        ExecStart = "${cfg.package}/sbin/lighttpd -D -f ${configFile}";
        ExecReload = "${pkgs.coreutils}/bin/kill -SIGUSR1 $MAINPID";
        KillSignal = "SIGINT";
      };
    };
  };
}
