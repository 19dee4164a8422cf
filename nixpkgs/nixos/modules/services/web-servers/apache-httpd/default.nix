# `services.httpd`: Apache.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption optionalString concatMapStrings;
  inherit (import ../../short.nix { inherit lib; }) option flag maybe lines enable package required;
  cfg = config.services.httpd;
  hosts = lib.attrValues cfg.virtualHosts;
  runtime = "/run/httpd";

  hasTls = host: host.enableSSL || host.addSSL || host.onlySSL || host.forceSSL;
  listenOf =
    host:
    if host.listen != [ ] then
      host.listen
    else
      lib.concatMap (ip:
        lib.optional (hasTls host) { inherit ip; port = 443; ssl = true; }
        ++ lib.optional (!(host.onlySSL || host.enableSSL)) { inherit ip; port = 80; ssl = false; }
      ) host.listenAddresses;
  address = entry: "${if lib.hasInfix ":" entry.ip && !(lib.hasPrefix "[" entry.ip) then "[${entry.ip}]" else entry.ip}:${toString entry.port}";
  allListen = lib.unique (map (entry: { inherit (entry) ip port ssl; }) (lib.concatMap listenOf hosts));

  phpEnabled = cfg.enablePHP;

  standardModules = [
    "access_compat" "alias" "auth_basic" "authn_core" "authn_file" "authz_core" "authz_groupfile" "authz_host"
    "authz_user" "autoindex" "deflate" "dir" "env" "expires" "filter" "headers" "info" "mime" "negotiation"
    "reqtimeout" "rewrite" "setenvif" "status" "userdir" "vhost_alias"
  ]
  ++ [ (if cfg.multiProcessingModule == "prefork" then "cgi" else "cgid") ]
  ++ lib.optionals (lib.any hasTls hosts) [ "socache_shmcb" "ssl" ]
  ++ lib.optional (lib.any (host: host.http2) hosts && cfg.multiProcessingModule != "prefork") "http2"
  ++ lib.optionals (lib.any (host: lib.any (location: location.proxyPass != null) (lib.attrValues host.locations)) hosts) [ "proxy" "proxy_http" "proxy_wstunnel" ]
  ++ lib.optionals phpEnabled [ "proxy" "proxy_fcgi" ];

  moduleLine = module:
    if lib.isString module then
      "LoadModule ${module}_module ${cfg.package}/modules/mod_${module}.so\n"
    else
      "LoadModule ${module.name}_module ${module.path}\n";
  modules = lib.unique ([ "mpm_${cfg.multiProcessingModule}" ] ++ standardModules ++ cfg.extraModules);

  redirect = host: code: target: "RewriteEngine on\nRewriteRule ^(.*)$ ${target} [R=${toString code},L,QSA]\n";

  locationText = path: location: ''
    ${optionalString (location.proxyPass != null) ''
      <Location ${path}>
        ProxyPass ${location.proxyPass}
        ProxyPassReverse ${location.proxyPass}
      </Location>
    ''}
    ${optionalString (location.index != null) ''
      <Location ${path}>
        DirectoryIndex ${location.index}
      </Location>
    ''}
    ${optionalString (location.alias != null) ''
      <Location ${path}>
        Alias "${location.alias}"
        Require all granted
      </Location>
    ''}
    ${optionalString (location.extraConfig != "") ''
      <Location ${path}>
        ${location.extraConfig}
      </Location>
    ''}
  '';
  sortedLocations = host: lib.sort (a: b: host.locations.${a}.priority < host.locations.${b}.priority) (lib.attrNames host.locations);

  hostText =
    host:
    let
      entries = listenOf host;
      documents = if host.documentRoot != null then host.documentRoot else pkgs.emptyDirectory;
      plain = lib.filter (entry: !entry.ssl) entries;
      secure = lib.filter (entry: entry.ssl) entries;
      head = ''
        ServerName ${host.hostName}
        ${concatMapStrings (alias: "ServerAlias ${alias}\n") host.serverAliases}
        ${optionalString (host.adminAddr != null || cfg.adminAddr != null) "ServerAdmin ${if host.adminAddr != null then host.adminAddr else cfg.adminAddr}"}
      '';
      tls = ''
        SSLEngine on
        SSLCertificateFile ${host.sslServerCert}
        SSLCertificateKeyFile ${host.sslServerKey}
        ${optionalString (host.sslServerChain != null) "SSLCertificateChainFile ${host.sslServerChain}"}
        ${optionalString host.http2 "Protocols h2 http/1.1"}
      '';
      body = ''
        ${optionalString cfg.logPerVirtualHost ''
          ErrorLog ${cfg.logDir}/error-${host.hostName}.log
          CustomLog ${cfg.logDir}/access-${host.hostName}.log ${host.logFormat}
        ''}
        ${optionalString (host.robotsEntries != "") ''Alias /robots.txt ${pkgs.writeText "robots.txt" host.robotsEntries}
          <Location /robots.txt>
            Require all granted
          </Location>''}
        DocumentRoot "${documents}"
        <Directory "${documents}">
          Options Indexes FollowSymLinks
          AllowOverride None
          Require all granted
        </Directory>
        ${optionalString host.enableUserDir ''
          UserDir public_html
          UserDir disabled root
          <Directory "/home/*/public_html">
            AllowOverride FileInfo AuthConfig Limit Indexes
            Options MultiViews Indexes SymLinksIfOwnerMatch IncludesNoExec
            <Limit GET POST OPTIONS>
              Require all granted
            </Limit>
            <LimitExcept GET POST OPTIONS>
              Require all denied
            </LimitExcept>
          </Directory>
        ''}
        ${optionalString (host.globalRedirect != null && host.globalRedirect != "") "RedirectPermanent / ${host.globalRedirect}"}
        ${concatMapStrings (entry: ''Alias ${entry.urlPath} ${entry.file}
          <Location ${entry.urlPath}>
            Require all granted
          </Location>
        '') host.servedFiles}
        ${concatMapStrings (entry: ''
          Alias ${entry.urlPath} ${entry.dir}/
          <Directory ${entry.dir}>
            Options Indexes
            Require all granted
            AllowOverride All
          </Directory>
        '') host.servedDirs}
        ${concatMapStrings (path: locationText path host.locations.${path}) (sortedLocations host)}
        ${host.extraConfig}
      '';
      block = on: text: optionalString (on != [ ]) ''
        <VirtualHost ${lib.concatMapStringsSep " " address on}>
          ${head}
          ${text}
        </VirtualHost>
      '';
    in
    block plain (if host.forceSSL then redirect host 301 "https://%{HTTP_HOST}$1" else body) + block secure (tls + body);

  phpIni = pkgs.writeText "php.ini" (cfg.phpPackage.iniText + cfg.phpOptions);

  mimeTypes = pkgs.writeText "mime.types" (import ../mime-types.nix);

  generated = pkgs.writeText "httpd.conf" ''
    ServerRoot ${cfg.package}
    ServerName ${config.networking.hostName}
    DefaultRuntimeDir ${runtime}/runtime
    PidFile ${runtime}/httpd.pid
    ${optionalString (cfg.multiProcessingModule != "prefork") "ScriptSock ${runtime}/cgisock"}
    ${if cfg.multiProcessingModule == "prefork" then "MaxRequestWorkers ${toString cfg.maxClients}" else ''
      MaxRequestWorkers ${toString cfg.maxClients}
      ServerLimit ${toString (lib.max 1 ((cfg.maxClients + 24) / 25))}
    ''}
    MaxConnectionsPerChild ${toString cfg.maxRequestsPerChild}
    ${concatMapStrings (entry: "Listen ${address entry} ${if entry.ssl then "https" else "http"}\n") allListen}
    ${concatMapStrings moduleLine modules}
    User ${cfg.user}
    Group ${cfg.group}
    TraceEnable off
    <Files ~ "^\.ht">
      Require all denied
    </Files>
    TypesConfig ${mimeTypes}
    AddEncoding x-compress Z
    AddEncoding x-gzip gz tgz
    AddHandler type-map var
    DirectoryIndex index.html
    LogFormat "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\"" combined
    LogFormat "%h %l %u %t \"%r\" %>s %b" common
    LogFormat "%{Referer}i -> %U" referer
    LogFormat "%{User-agent}i" agent
    ErrorLog ${cfg.logDir}/error.log
    LogLevel notice
    CustomLog ${cfg.logDir}/access.log ${cfg.logFormat}
    ${optionalString (lib.any hasTls hosts) ''
      SSLSessionCache shmcb:${runtime}/ssl_scache(512000)
      SSLRandomSeed startup builtin
      SSLRandomSeed connect builtin
      SSLProtocol ${cfg.sslProtocols}
      SSLCipherSuite ${cfg.sslCiphers}
      SSLHonorCipherOrder on
    ''}
    ${optionalString phpEnabled ''
      <FilesMatch "\.php$">
        SetHandler "proxy:unix:${runtime}/php-fpm.sock|fcgi://localhost"
      </FilesMatch>
      DirectoryIndex index.php index.html
    ''}
    <Directory />
      Options FollowSymLinks
      AllowOverride None
      Require all denied
    </Directory>
    ${cfg.extraConfig}
    ${concatMapStrings hostText hosts}
  '';
in
{
  options.services.httpd = {
    enable = enable "the Apache HTTP Server";
    package = package "apacheHttpd" pkgs.apacheHttpd;
    configFile = mkOption {
      type = types.path;
      default = generated;
      defaultText = "made from the other options";
      description = "The configuration, instead of what the other options say.";
    };
    extraConfig = lines "Further text of the configuration.";
    extraModules = option (types.listOf types.unspecified) [ ] "Further modules: names of Apache's own, or `{ name, path }`.";
    adminAddr = maybe types.str "Mail address of the administrator.";
    logFormat = option types.str "common" "Format of the log of requests.";
    logPerVirtualHost = flag true "Whether each host has logs of its own.";
    logDir = option types.path "/var/log/httpd" "Directory of the logs.";
    user = option types.str "wwwrun" "User that requests are answered as.";
    group = option types.str "wwwrun" "Group that requests are answered as.";
    enablePHP = flag false "Whether files of PHP are run.";
    phpPackage = package "php" pkgs.php;
    phpOptions = lines "Lines of php.ini.";
    enablePerl = flag false "Not supported: mod_perl.";
    enableMellon = flag false "Not supported: mod_auth_mellon.";
    multiProcessingModule = option (types.enum [ "event" "prefork" "worker" ]) "event" "How requests are spread over processes and threads.";
    maxClients = option types.int 150 "Most requests at a time.";
    maxRequestsPerChild = option types.int 0 "Requests that one process answers; 0: no limit.";
    sslCiphers = option types.str "HIGH:!aNULL:!MD5:!EXP" "Ciphers.";
    sslProtocols = option types.str "All -SSLv2 -SSLv3 -TLSv1 -TLSv1.1" "Versions of TLS.";
    virtualHosts = option (types.attrsOf (types.submodule (import ./vhost-options.nix))) {
      localhost.documentRoot = "${cfg.package}/htdocs";
    } "Hosts, by name.";
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = !cfg.enablePerl && !cfg.enableMellon;
        message = "services.httpd: enablePerl and enableMellon are not supported";
      }
    ]
    ++ lib.concatMap (host: [
      {
        assertion = !host.enableACME && host.useACMEHost == null;
        message = "services.httpd.virtualHosts.\"${host.hostName}\": ACME is not supported; set sslServerCert and sslServerKey";
      }
      {
        assertion = lib.count (x: x) [ host.addSSL (host.onlySSL || host.enableSSL) host.forceSSL ] <= 1;
        message = "services.httpd.virtualHosts.\"${host.hostName}\": only one of addSSL, onlySSL, enableSSL and forceSSL can be set";
      }
    ]) hosts;

    users.users = mkIf (cfg.user == "wwwrun") {
      wwwrun = {
        group = cfg.group;
        description = "Apache httpd user";
        uid = config.ids.uids.wwwrun;
      };
    };
    users.groups = mkIf (cfg.group == "wwwrun") { wwwrun.gid = config.ids.gids.wwwrun; };

    environment.systemPackages = [ cfg.package ];
    environment.etc."httpd/httpd.conf".source = cfg.configFile;
    systemd.tmpfiles.rules = [
      "d '${cfg.logDir}' 0700 ${cfg.user} ${cfg.group}"
      "Z '${cfg.logDir}' - ${cfg.user} ${cfg.group}"
    ];

    systemd.services.httpd-php = mkIf phpEnabled {
      description = "PHP for the Apache HTTP Server";
      wantedBy = [ "httpd.service" ];
      before = [ "httpd.service" ];
      serviceConfig = {
        Type = "notify";
        ExecStart = "${cfg.phpPackage}/bin/php-fpm --nodaemonize -c ${phpIni} --fpm-config ${pkgs.writeText "php-fpm.conf" ''
          [global]
          error_log = syslog
          [httpd]
          listen = ${runtime}/php-fpm.sock
          listen.owner = ${cfg.user}
          listen.group = ${cfg.group}
          user = ${cfg.user}
          group = ${cfg.group}
          pm = dynamic
          pm.max_children = 10
          pm.start_servers = 2
          pm.min_spare_servers = 1
          pm.max_spare_servers = 4
        ''}";
        RuntimeDirectory = "httpd";
        RuntimeDirectoryPreserve = true;
      };
    };

    systemd.services.httpd = {
      description = "Apache HTTPD";
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" ];
      serviceConfig = {
        ExecStart = "${cfg.package}/bin/httpd -f /etc/httpd/httpd.conf";
        ExecStop = "${cfg.package}/bin/httpd -f /etc/httpd/httpd.conf -k graceful-stop";
        ExecReload = "${cfg.package}/bin/httpd -f /etc/httpd/httpd.conf -k graceful";
        User = cfg.user;
        Group = cfg.group;
        Type = "forking";
        PIDFile = "${runtime}/httpd.pid";
        Restart = "always";
        RestartSec = "5s";
        RuntimeDirectory = "httpd httpd/runtime";
        RuntimeDirectoryMode = "0750";
        RuntimeDirectoryPreserve = mkIf phpEnabled true;
        AmbientCapabilities = [ "CAP_NET_BIND_SERVICE" ];
      };
    };
  };
}
