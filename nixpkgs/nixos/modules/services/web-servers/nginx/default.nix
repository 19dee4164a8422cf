# `services.nginx`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption optionalString concatMapStrings concatStringsSep mapAttrsToList;
  inherit (import ../../short.nix { inherit lib; }) option flag maybe lines enable package confinement;
  cfg = config.services.nginx;
  hosts = lib.attrValues (lib.mapAttrs (name: host: host // { serverName = if host.serverName != null then host.serverName else name; }) cfg.virtualHosts);

  mimeTypes = "types {\n" + lib.replaceStrings [ "\n" ] [ ";\n" ] (import ../mime-types.nix) + "}\n";

  on = value: if value then "on" else "off";
  hasTls = host: host.onlySSL || host.addSSL || host.forceSSL || host.rejectSSL;

  # ---- what answers where -------------------------------------------------------------------

  listenText =
    host: extra:
    { addr, port ? null, ssl ? false, proxyProtocol ? false, extraParameters ? [ ], ... }:
    let
      place = "${addr}${optionalString (port != null && !(lib.hasPrefix "unix:" addr)) ":${toString port}"}";
    in
    optionalString (ssl && host.quic) "listen ${place} quic ${optionalString host.default "default_server "}${optionalString host.reuseport "reuseport "};\n"
    + "listen ${place} "
    + optionalString ssl "ssl "
    + optionalString host.default "default_server "
    + optionalString host.reuseport "reuseport "
    + optionalString proxyProtocol "proxy_protocol "
    + concatStringsSep " " (extraParameters ++ extra)
    + ";\n";

  listenOf =
    host:
    let
      tls = hasTls host;
      withPort = entry: entry // { port = if entry.port or null != null then entry.port else if entry.ssl or false then cfg.defaultSSLListenPort else cfg.defaultHTTPListenPort; };
      both = entry:
        lib.optional (tls && entry.ssl or true) (entry // { ssl = true; port = if entry.port or null != null then entry.port else cfg.defaultSSLListenPort; })
        ++ lib.optional (!host.onlySSL && !(entry.ssl or false)) (entry // { ssl = false; port = if entry.port or null != null then entry.port else cfg.defaultHTTPListenPort; });
      addresses = if host.listenAddresses != [ ] then host.listenAddresses else cfg.defaultListenAddresses;
    in
    if host.listen != [ ] then
      map withPort host.listen
    else if cfg.defaultListen != [ ] && host.listenAddresses == [ ] then
      lib.concatMap (entry:
        # With `ssl` left open, an entry stands for both ports.
        if entry.ssl == null then both (removeAttrs entry [ "ssl" ])
        else lib.optional (if entry.ssl then tls else !host.onlySSL) (withPort entry)
      ) cfg.defaultListen
    else
      lib.concatMap (addr: both { inherit addr; }) addresses;

  authText =
    name: holder:
    optionalString (holder.basicAuthFile != null || holder.basicAuth != { }) ''
      auth_basic secured;
      auth_basic_user_file ${
        if holder.basicAuthFile != null then
          holder.basicAuthFile
        else
          pkgs.writeText "nginx-${lib.strings.sanitizeDerivationName name}.htpasswd" (concatStringsSep "" (mapAttrsToList (user: password: "${user}:{PLAIN}${password}\n") holder.basicAuth))
      };
    '';

  proxyHeaders = pkgs.writeText "nginx-recommended-proxy_set_header-headers.conf" ''
    proxy_set_header Host $host;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $host;
    proxy_set_header X-Forwarded-Server $hostname;
  '';

  requestParams = ''
    QUERY_STRING $query_string
    REQUEST_METHOD $request_method
    CONTENT_TYPE $content_type
    CONTENT_LENGTH $content_length
    REQUEST_URI $request_uri
    DOCUMENT_URI $document_uri
    DOCUMENT_ROOT $document_root
    SERVER_PROTOCOL $server_protocol
    REQUEST_SCHEME $scheme
    REMOTE_ADDR $remote_addr
    REMOTE_PORT $remote_port
    SERVER_ADDR $server_addr
    SERVER_PORT $server_port
    SERVER_NAME $server_name
  '';
  params = directive: concatMapStrings (line: optionalString (line != "") "${directive} ${line};\n") (lib.splitString "\n" requestParams) + "${directive} HTTPS $https if_not_empty;\n";
  fastcgiText = params "fastcgi_param" + ''
    fastcgi_param SCRIPT_NAME $fastcgi_script_name;
    fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
    fastcgi_param GATEWAY_INTERFACE CGI/1.1;
    fastcgi_param SERVER_SOFTWARE nginx/$nginx_version;
    fastcgi_param REDIRECT_STATUS 200;
  '';
  uwsgiParams = pkgs.writeText "uwsgi_params" (params "uwsgi_param");

  locationText = path: location: ''
    location ${path} {
      ${authText path location}
      ${optionalString (location.proxyPass != null) ''
        proxy_pass ${location.proxyPass};
        ${optionalString location.proxyWebsockets ''
          proxy_http_version 1.1;
          proxy_set_header Upgrade $http_upgrade;
          proxy_set_header Connection $connection_upgrade;
        ''}
        ${optionalString location.recommendedProxySettings "include ${proxyHeaders};"}
      ''}
      ${optionalString (location.uwsgiPass != null) ''
        uwsgi_pass ${location.uwsgiPass};
        ${optionalString location.recommendedUwsgiSettings "include ${uwsgiParams};"}
      ''}
      ${optionalString (location.fastcgiParams != { }) (fastcgiText + concatStringsSep "" (mapAttrsToList (name: value: "fastcgi_param ${name} \"${toString value}\";\n") location.fastcgiParams))}
      ${optionalString (location.index != null) "index ${location.index};"}
      ${optionalString (location.tryFiles != null) "try_files ${location.tryFiles};"}
      ${optionalString (location.root != null) "root ${location.root};"}
      ${optionalString (location.alias != null) "alias ${location.alias};"}
      ${optionalString (location.return != null) "return ${toString location.return};"}
      ${location.extraConfig}
    }
  '';

  locationsText =
    host:
    concatMapStrings (path: locationText path host.locations.${path}) (
      lib.sort (
        a: b:
        let
          pa = host.locations.${a}.priority;
          pb = host.locations.${b}.priority;
        in
        pa < pb || (pa == pb && a < b)
      ) (lib.attrNames host.locations)
    );

  names = host: "server_name ${concatStringsSep " " ([ host.serverName ] ++ host.serverAliases)};";

  hostText =
    host:
    let
      all = listenOf host;
      plain = lib.filter (entry: !(entry.ssl or false)) all;
      secure = lib.filter (entry: entry.ssl or false) all;
    in
    optionalString (host.forceSSL && plain != [ ]) ''
      server {
        ${concatMapStrings (listenText host [ ]) plain}
        ${names host}
        location / {
          return ${toString host.redirectCode} https://$host$request_uri;
        }
      }
    ''
    + ''
      server {
        ${concatMapStrings (listenText host [ ]) (if host.forceSSL then secure else all)}
        ${names host}
        ${optionalString (hasTls host && !host.rejectSSL) "http2 ${on host.http2};"}
        ${optionalString host.quic "http3 ${on host.http3};\nhttp3_hq ${on host.http3_hq};"}
        ${optionalString (host.root != null) "root ${host.root};"}
        ${optionalString (host.globalRedirect != null) ''
          location / {
            return ${toString host.redirectCode} http${optionalString (hasTls host) "s"}://${host.globalRedirect}$request_uri;
          }
        ''}
        ${optionalString (hasTls host && !host.rejectSSL) ''
          ssl_certificate ${host.sslCertificate};
          ssl_certificate_key ${host.sslCertificateKey};
        ''}
        ${optionalString (hasTls host && host.sslTrustedCertificate != null) "ssl_trusted_certificate ${host.sslTrustedCertificate};"}
        ${optionalString host.rejectSSL "ssl_reject_handshake on;"}
        ${optionalString (hasTls host && host.kTLS) "ssl_conf_command Options KTLS;"}
        ${authText host.serverName host}
        ${optionalString (host.quic && host.http3) "add_header Alt-Svc 'h3=\":$server_port\"; ma=86400';"}
        ${locationsText host}
        ${host.extraConfig}
      }
    '';

  # ---- the whole file ------------------------------------------------------------------------

  upstreamText = name: upstream: ''
    upstream ${name} {
      ${concatStringsSep "\n" (
        mapAttrsToList (
          server: attributes:
          "server ${server} ${
            concatStringsSep " " (
              lib.concatLists (
                mapAttrsToList (
                  key: value: if value == true then [ key ] else if value == false || value == null then [ ] else [ "${key}=${toString value}" ]
                ) attributes
              )
            )
          };"
        ) upstream.servers
      )}
      ${upstream.extraConfig}
    }
  '';

  usesWebsockets = lib.any (host: lib.any (location: location.proxyWebsockets) (lib.attrValues host.locations)) hosts;

  temporary = concatMapStrings (kind: "${kind}_temp_path /var/cache/nginx/${kind};\n") [ "client_body" "proxy" "fastcgi" "uwsgi" "scgi" ];

  cacheText = path: cache: ''
    proxy_cache_path /var/cache/nginx/${path} keys_zone=${cache.keysZoneName}:${cache.keysZoneSize} levels=${cache.levels} use_temp_path=${on cache.useTempPath} inactive=${cache.inactive} max_size=${cache.maxSize};
  '';

  httpText = ''
    http {
      ${temporary}
      ${mimeTypes}
      default_type application/octet-stream;
      types_hash_max_size 4096;
      ${optionalString (cfg.resolver.addresses != [ ]) "resolver ${toString cfg.resolver.addresses} ${optionalString (cfg.resolver.valid != "") "valid=${cfg.resolver.valid}"} ipv4=${on cfg.resolver.ipv4} ipv6=${on cfg.resolver.ipv6};"}
      ${concatStringsSep "" (mapAttrsToList upstreamText cfg.upstreams)}
      ${optionalString cfg.recommendedOptimisation ''
        sendfile on;
        tcp_nopush on;
        tcp_nodelay on;
        keepalive_timeout 65;
      ''}
      ssl_protocols ${cfg.sslProtocols};
      ${optionalString (cfg.sslCiphers != null) "ssl_ciphers ${cfg.sslCiphers};"}
      ${optionalString (cfg.sslDhparam != null) "ssl_dhparam ${cfg.sslDhparam};"}
      ${optionalString cfg.recommendedTlsSettings ''
        ssl_session_timeout 1d;
        ssl_session_cache shared:SSL:10m;
        ssl_session_tickets off;
        ssl_prefer_server_ciphers off;
      ''}
      ${optionalString cfg.recommendedGzipSettings ''
        gzip on;
        gzip_static on;
        gzip_vary on;
        gzip_comp_level 5;
        gzip_min_length 256;
        gzip_proxied expired no-cache no-store private auth;
        gzip_types application/atom+xml application/javascript application/json application/manifest+json application/wasm application/xhtml+xml application/xml font/otf font/ttf image/svg+xml text/css text/javascript text/markdown text/plain text/xml;
      ''}
      ${optionalString cfg.recommendedBrotliSettings ''
        brotli on;
        brotli_static on;
        brotli_comp_level 5;
        brotli_min_length 256;
        brotli_types application/javascript application/json application/xml image/svg+xml text/css text/javascript text/plain text/xml;
      ''}
      ${optionalString cfg.recommendedProxySettings ''
        proxy_redirect off;
        proxy_connect_timeout ${cfg.proxyTimeout};
        proxy_send_timeout ${cfg.proxyTimeout};
        proxy_read_timeout ${cfg.proxyTimeout};
        proxy_http_version 1.1;
        proxy_set_header Connection $connection_upgrade;
        include ${proxyHeaders};
      ''}
      ${optionalString cfg.recommendedUwsgiSettings ''
        uwsgi_connect_timeout ${cfg.uwsgiTimeout};
        uwsgi_send_timeout ${cfg.uwsgiTimeout};
        uwsgi_read_timeout ${cfg.uwsgiTimeout};
        include ${uwsgiParams};
      ''}
      ${optionalString (usesWebsockets || cfg.recommendedProxySettings) ''
        map $http_upgrade $connection_upgrade {
          default upgrade;
          "" close;
        }
      ''}
      client_max_body_size ${cfg.clientMaxBodySize};
      server_tokens ${on cfg.serverTokens};
      ${optionalString (cfg.mapHashBucketSize != null) "map_hash_bucket_size ${toString cfg.mapHashBucketSize};"}
      ${optionalString (cfg.mapHashMaxSize != null) "map_hash_max_size ${toString cfg.mapHashMaxSize};"}
      ${optionalString (cfg.serverNamesHashBucketSize != null) "server_names_hash_bucket_size ${toString cfg.serverNamesHashBucketSize};"}
      ${optionalString (cfg.serverNamesHashMaxSize != null) "server_names_hash_max_size ${toString cfg.serverNamesHashMaxSize};"}
      ${concatStringsSep "" (mapAttrsToList cacheText (lib.filterAttrs (_: cache: cache.enable) cfg.proxyCachePath))}
      ${cfg.commonHttpConfig}
      ${concatMapStrings hostText hosts}
      ${optionalString cfg.statusPage ''
        server {
          listen ${toString cfg.defaultHTTPListenPort};
          ${optionalString config.networking.enableIPv6 "listen [::]:${toString cfg.defaultHTTPListenPort};"}
          server_name localhost;
          location /nginx_status {
            stub_status on;
            access_log off;
            allow 127.0.0.1;
            ${optionalString config.networking.enableIPv6 "allow ::1;"}
            deny all;
          }
        }
      ''}
      ${cfg.appendHttpConfig}
    }
  '';

  modules =
    cfg.additionalModules
    ++ lib.optional (cfg.streamConfig != "") pkgs.nginxModules.stream
    ++ lib.optional cfg.recommendedBrotliSettings pkgs.nginxModules.brotli;

  configFile = pkgs.writeText "nginx.conf" ''
    ${concatMapStrings (module: concatMapStrings (file: "load_module ${module}/lib/nginx/modules/${file};\n") module.modules) (lib.unique modules)}
    pid /run/nginx/nginx.pid;
    error_log ${cfg.logError};
    daemon off;
    ${optionalString cfg.enableQuicBPF "quic_bpf on;"}
    ${cfg.prependConfig}
    ${
      if cfg.config != "" then
        cfg.config
      else
        ''
          events {
            ${cfg.eventsConfig}
          }
          ${if cfg.httpConfig != "" then "http {\n${temporary}\n${mimeTypes}\ndefault_type application/octet-stream;\n${cfg.httpConfig}\n}" else httpText}
          ${optionalString (cfg.streamConfig != "") "stream {\n${cfg.streamConfig}\n}"}
        ''
    }
    ${cfg.appendConfig}
  '';
  configPath = if cfg.enableReload then "/etc/nginx/nginx.conf" else configFile;
  command = "${cfg.package}/bin/nginx -e stderr -c ${configPath}";
in
{
  options.services.nginx = {
    enable = enable "the web server nginx";
    package = package "nginx" pkgs.nginx;
    additionalModules = option (types.listOf types.package) [ ] "Modules of `pkgs.nginxModules` to load.";
    enableReload = flag false "Whether a changed configuration is loaded without a restart.";
    enableQuicBPF = flag false "Routing of QUIC packets by BPF.";
    statusPage = flag false "Whether `http://localhost/nginx_status` tells the server's state.";
    recommendedTlsSettings = flag false "Recommended settings of TLS.";
    recommendedOptimisation = flag false "Recommended settings of connections.";
    recommendedGzipSettings = flag false "Recommended compression with gzip.";
    recommendedBrotliSettings = flag false "Recommended compression with Brotli.";
    recommendedProxySettings = flag false "Recommended settings of proxies.";
    recommendedUwsgiSettings = flag false "Recommended settings of uWSGI.";
    proxyTimeout = option types.str "60s" "Limit for answers through proxies, with `recommendedProxySettings`.";
    uwsgiTimeout = option types.str "60s" "Limit for answers of uWSGI, with `recommendedUwsgiSettings`.";
    defaultListen = option (types.listOf (types.submodule {
      options = {
        addr = mkOption { type = types.str; description = "Address."; };
        port = maybe types.port "Port; default: by `ssl`.";
        ssl = maybe types.bool "Whether TLS is spoken here; null: one port with and one without.";
        proxyProtocol = flag false "Whether the PROXY protocol is spoken here.";
        extraParameters = option (types.listOf types.str) [ ] "Further words of the directive.";
      };
    })) [ ] "Where hosts listen that do not say it themselves.";
    defaultListenAddresses = option (types.listOf types.str) ([ "0.0.0.0" ] ++ lib.optional config.networking.enableIPv6 "[::0]") "Addresses of hosts that do not say where they listen.";
    defaultHTTPListenPort = option types.port 80 "Port of plain HTTP.";
    defaultSSLListenPort = option types.port 443 "Port of HTTP over TLS.";
    logError = option types.str "stderr" "Where errors are logged, and from which level.";
    preStart = lines "Shell that runs before the server starts.";
    config = lines "The configuration from `events` on, instead of all other options.";
    prependConfig = lines "Text before all blocks.";
    appendConfig = lines "Text after all blocks.";
    httpConfig = lines "Content of the block `http`, instead of what other options say.";
    commonHttpConfig = lines "Text of the block `http` before the hosts.";
    appendHttpConfig = lines "Text of the block `http` after the hosts.";
    streamConfig = lines "Content of the block `stream`.";
    eventsConfig = lines "Content of the block `events`.";
    user = option types.str "nginx" "User that the server runs as.";
    group = option types.str "nginx" "Group that the server runs as.";
    serverTokens = flag false "Whether answers tell the version.";
    clientMaxBodySize = option types.str "10m" "Largest body of a request.";
    sslCiphers = option (types.nullOr types.str) "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305" "Ciphers up to TLS 1.2.";
    sslProtocols = option types.str "TLSv1.2 TLSv1.3" "Versions of TLS.";
    sslDhparam = maybe types.path "Parameters of Diffie-Hellman.";
    mapHashBucketSize = maybe (types.enum [ 32 64 128 ]) "Size of buckets of `map`.";
    mapHashMaxSize = maybe types.ints.positive "Largest size of `map` tables.";
    serverNamesHashBucketSize = maybe types.ints.positive "Size of buckets of the table of names.";
    serverNamesHashMaxSize = maybe types.ints.positive "Largest size of the table of names.";
    validateConfigFile = flag true "Harmless: the server checks its configuration whenever it starts, whatever this says.";
    resolver = {
      addresses = option (types.listOf types.str) [ ] "Name servers.";
      valid = option types.str "" "How long answers hold.";
      ipv4 = flag true "Whether IPv4 addresses are looked up.";
      ipv6 = flag config.networking.enableIPv6 "Whether IPv6 addresses are looked up.";
    };
    proxyCachePath = option (types.attrsOf (types.submodule {
      options = {
        enable = flag false "Whether there is this cache.";
        keysZoneName = option types.str "cache" "Name of the zone.";
        keysZoneSize = option types.str "10m" "Size of the zone.";
        levels = option types.str "1:2" "Levels of directories.";
        useTempPath = flag false "Whether files are written elsewhere first.";
        inactive = option types.str "10m" "How long unused entries stay.";
        maxSize = option types.str "1g" "Size of the cache.";
      };
    })) { } "Caches of proxied answers, by directory below /var/cache/nginx.";
    upstreams = option (types.attrsOf (types.submodule {
      options = {
        servers = option (types.attrsOf (types.attrsOf (types.nullOr (types.oneOf [ types.bool types.int types.str ])))) { } "Servers and their parameters.";
        extraConfig = lines "Further text of the block.";
      };
    })) { } "Groups of servers for `proxyPass`.";
    virtualHosts = option (types.attrsOf (types.submodule (import ./vhost-options.nix { inherit lib; config = cfg; }))) { localhost = { }; } "Hosts, by name.";
  };

  config = mkIf cfg.enable {
    assertions =
      lib.concatMap (host: [
        {
          assertion = !host.enableACME && host.useACMEHost == null;
          message = "services.nginx.virtualHosts.\"${host.serverName}\": ACME is not supported; set sslCertificate and sslCertificateKey";
        }
        {
          assertion = lib.count (x: x) [ host.addSSL host.onlySSL host.forceSSL host.rejectSSL ] <= 1;
          message = "services.nginx.virtualHosts.\"${host.serverName}\": only one of addSSL, onlySSL, forceSSL and rejectSSL can be set";
        }
        {
          assertion = !(host.globalRedirect != null && host.forceSSL);
          message = "services.nginx.virtualHosts.\"${host.serverName}\": globalRedirect and forceSSL exclude each other";
        }
      ]) hosts
      ++ lib.concatMap (
        host:
        mapAttrsToList (path: location: {
          assertion = location.root == null || location.alias == null;
          message = "services.nginx.virtualHosts.\"${host.serverName}\".locations.\"${path}\": only one of root and alias can be set";
        }) host.locations
      ) hosts;

    environment.etc = mkIf cfg.enableReload { "nginx/nginx.conf".source = configFile; };

    systemd.services.nginx = {
      description = "Nginx Web Server";
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" ];
      stopIfChanged = false;
      preStart = ''
        ${cfg.preStart}
        ${command} -t
      '';
      startLimitIntervalSec = 60;
      serviceConfig = confinement // {
        ExecStart = command;
        ExecReload = [
          "${command} -t"
          "${pkgs.coreutils}/bin/kill -HUP $MAINPID"
        ];
        Restart = "always";
        RestartSec = "10s";
        User = cfg.user;
        Group = cfg.group;
        RuntimeDirectory = "nginx";
        RuntimeDirectoryMode = "0750";
        CacheDirectory = "nginx";
        CacheDirectoryMode = "0750";
        LogsDirectory = "nginx";
        LogsDirectoryMode = "0750";
        UMask = "0027";
        AmbientCapabilities = [ "CAP_NET_BIND_SERVICE" "CAP_SYS_RESOURCE" ];
        CapabilityBoundingSet = [ "CAP_NET_BIND_SERVICE" "CAP_SYS_RESOURCE" ];
        RestrictAddressFamilies = [ "AF_UNIX" "AF_INET" "AF_INET6" ];
      };
    };

    # Loads a changed configuration into the running server. It is in no order with the server, whose
    # reload would wait for it.
    systemd.services.nginx-config-reload = mkIf cfg.enableReload {
      wantedBy = [ "multi-user.target" ];
      restartTriggers = [ configFile ];
      unitConfig.ConditionPathExists = "/run/nginx/nginx.pid";
      serviceConfig = {
        Type = "oneshot";
        TimeoutSec = 60;
        RemainAfterExit = true;
        ExecCondition = "${config.systemd.package}/bin/systemctl -q is-active nginx.service";
        ExecStart = "${config.systemd.package}/bin/systemctl reload nginx.service";
      };
    };

    users.users = mkIf (cfg.user == "nginx") {
      nginx = {
        group = cfg.group;
        isSystemUser = true;
        uid = config.ids.uids.nginx;
      };
    };
    users.groups = mkIf (cfg.group == "nginx") { nginx.gid = config.ids.gids.nginx; };
  };
}
