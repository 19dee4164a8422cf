# Tests of the services: what becomes of a configuration. Evaluates to the list of failures.
#
#     nix-instantiate --eval --strict nixpkgs/nixos/modules/services/tests/run.nix
let
  lib = import ../../../../lib;
  pkgs = import ../../../.. { config = { }; overlays = [ ]; };

  system = module: (import ../../../lib/eval-config.nix { inherit pkgs; modules = [ module ]; }).config;
  etc = name: module: let entry = (system module).environment.etc.${name}; in plain (if entry.text != null then entry.text else entry.source.drvAttrs.text);
  unit = name: module: (system module).systemd.services.${name};
  plain = builtins.unsafeDiscardStringContext;
  lines = text: lib.filter (line: line != "") (map lib.trim (lib.splitString "\n" (plain text)));
  # Whether these lines follow each other somewhere in a text.
  has = wanted: text:
    let
      all = lines text;
      count = lib.length wanted;
    in
    lib.any (start: lib.take count (lib.drop start all) == wanted) (lib.range 0 (lib.length all));
  builds = module: builtins.isString (system module).system.build.toplevel.drvPath;
  refuses = module: { expr = builds module; fails = true; };
  accepts = module: { expr = builds module; expected = true; };
  true' = expr: { inherit expr; expected = true; };

  nginx = settings: plain (system { services.nginx = { enable = true; enableReload = true; } // settings; }).environment.etc."nginx/nginx.conf".source.drvAttrs.text;
  httpd = settings: plain (system { services.httpd = { enable = true; } // settings; }).services.httpd.configFile.drvAttrs.text;
  tls = { sslCertificate = "/c"; sslCertificateKey = "/k"; };

  tests = {
    # ---- nginx ----
    nginxDefaultHost = true' (has [ "server_name localhost;" ] (nginx { }));
    nginxListen = true' (has [ "listen 0.0.0.0:80 ;" "listen [::0]:80 ;" "server_name a b;" ] (nginx { virtualHosts.a.serverAliases = [ "b" ]; }));
    nginxOnlySsl = true' (has [ "listen 0.0.0.0:443 ssl ;" ] (nginx { virtualHosts.a = tls // { onlySSL = true; }; }));
    nginxForceSsl = true' (has [ "location / {" "return 301 https://$host$request_uri;" ] (nginx { virtualHosts.a = tls // { forceSSL = true; }; }));
    nginxOwnListen = true' (has [ "listen 1.2.3.4:8080 ;" ] (nginx { virtualHosts.a.listen = [ { addr = "1.2.3.4"; port = 8080; } ]; }));
    nginxDefaultListen = true' (has [ "listen 10.0.0.1:80 ;" ] (nginx { defaultListen = [ { addr = "10.0.0.1"; } ]; virtualHosts.a = { }; }));
    nginxProxy = true' (has [ "location / {" "proxy_pass http://x;" "proxy_http_version 1.1;" ] (nginx { virtualHosts.a.locations."/" = { proxyPass = "http://x"; proxyWebsockets = true; }; }));
    nginxOrder = true' (has [ "location /z {" "return 200;" "}" "location /a {" ] (nginx { virtualHosts.a.locations = { "/a".return = 404; "/z" = { return = 200; priority = 1; }; }; }));
    nginxUpstream = true' (has [ "upstream x {" "server 1.1.1.1:80 backup weight=2;" ] (nginx { upstreams.x.servers."1.1.1.1:80" = { weight = 2; backup = true; }; }));
    nginxAuth = true' (has [ "auth_basic secured;" ] (nginx { virtualHosts.a.basicAuth.u = "p"; }));
    nginxStream = true' (lib.hasInfix "ngx_stream_module.so" (nginx { streamConfig = "x;"; }));
    nginxVerbatim = true' (has [ "events {" "}" "http {" ] (nginx { httpConfig = "server { }"; }));
    nginxAcme = refuses { services.nginx = { enable = true; virtualHosts.a = { enableACME = true; forceSSL = true; }; }; };
    nginxTwoKinds = refuses { services.nginx = { enable = true; virtualHosts.a = tls // { addSSL = true; onlySSL = true; }; }; };
    nginxRootAndAlias = refuses { services.nginx = { enable = true; virtualHosts.a.locations."/" = { root = "/a"; alias = "/b"; }; }; };
    nginxUnknown = refuses { services.nginx = { enable = true; virtualHosts.a.rooot = "/"; }; };

    # ---- httpd ----
    httpdListen = true' (has [ "Listen [::1]:8000 http" ] (httpd { virtualHosts.a.listen = [ { ip = "::1"; port = 8000; } ]; }));
    httpdRoot = true' (has [ "DocumentRoot \"/srv\"" "<Directory \"/srv\">" ] (httpd { virtualHosts.a.documentRoot = "/srv"; }));
    httpdAdmin = true' (has [ "ServerName a" "ServerAdmin x@y" ] (httpd { adminAddr = "x@y"; virtualHosts.a = { }; }));
    httpdModule = true' (lib.any (lib.hasPrefix "LoadModule proxy_http_module") (lines (httpd { virtualHosts.a.locations."/".proxyPass = "http://x"; })));

    # ---- data bases ----
    postgresqlSettings = { expr = (system { services.postgresql = { enable = true; enableTCPIP = true; settings.port = 5433; }; }).services.postgresql.settings.listen_addresses; expected = "*"; };
    postgresqlPort = { expr = (unit "postgresql" { services.postgresql = { enable = true; settings.port = 5433; }; }).environment.PGPORT; expected = "5433"; };
    postgresqlOwner = refuses { services.postgresql = { enable = true; ensureUsers = [ { name = "a"; ensureDBOwnership = true; } ]; }; };
    postgresqlLimit = true' (lib.hasInfix "ALTER ROLE \"a\" CONNECTION LIMIT 3" (unit "postgresql" { services.postgresql = { enable = true; ensureUsers = [ { name = "a"; ensureClauses.connection_limit = 3; } ]; }; }).postStart);
    postgresqlClauses = true' (lib.hasInfix "ALTER ROLE \"a\" createdb nosuperuser" (unit "postgresql" { services.postgresql = { enable = true; ensureUsers = [ { name = "a"; ensureClauses = { createdb = true; superuser = false; }; } ]; }; }).postStart);
    postgresqlAuthentication = { expr = lib.head (lines (system { services.postgresql = { enable = true; authentication = "host x"; }; }).services.postgresql.authentication); expected = "host x"; };
    postgresqlBackups = { expr = lib.filter (lib.hasPrefix "postgresqlBackup") (lib.attrNames (system { services.postgresql.enable = true; services.postgresqlBackup = { enable = true; databases = [ "a" "b" ]; }; }).systemd.services); expected = [ "postgresqlBackup-a" "postgresqlBackup-b" ]; };
    mysqlWithoutPackage = refuses { services.mysql.enable = true; };
    mysqlSettings = true' (has [ "[mysqld]" "datadir=/var/lib/mysql" ] (etc "my.cnf" { services.mysql = { enable = true; package = pkgs.mariadb; }; }));
    redisNames = { expr = lib.filter (lib.hasPrefix "redis") (lib.attrNames (system { services.redis.servers = { "".enable = true; a.enable = true; off = { }; }; }).systemd.services); expected = [ "redis" "redis-a" ]; };
    redisSocket = { expr = (system { services.redis.servers.a.enable = true; }).services.redis.servers.a.unixSocket; expected = "/run/redis-a/redis.sock"; };
    redisPorts = { expr = map (name: (system { services.redis.servers = { "".enable = true; a.enable = true; }; }).services.redis.servers.${name}.port) [ "" "a" ]; expected = [ 6379 0 ]; };
    etcdCluster = { expr = (unit "etcd" { networking.hostName = "n"; services.etcd.enable = true; }).environment.ETCD_INITIAL_CLUSTER; expected = "n=http://127.0.0.1:2380"; };
    openldapSuffix = refuses { services.openldap = { enable = true; declarativeContents."dc=a" = ""; }; };

    # ---- names ----
    bindZones = true' (has [ "zone \"a.b\" {" "type master;" "file \"/z\";" ] (etc "bind/named.conf" { services.bind = { enable = true; zones = [ { name = "a.b"; master = true; file = "/z"; } ]; }; }));
    bindSlave = true' (has [ "type slave;" "file \"/z\";" "masters {  1.2.3.4;  };" ] (etc "bind/named.conf" { services.bind = { enable = true; zones."a.b" = { master = false; masters = [ "1.2.3.4" ]; file = "/z"; }; }; }));
    knotOrder = { expr = map lib.trim (lib.filter (line: lib.hasSuffix ":" line) (lines (etc "knot/knot.conf" { services.knot = { enable = true; settings = { zone."a.b".file = "x"; server.listen = [ "::@53" ]; acl.s.action = "transfer"; }; }; }))); expected = [ "server:" "acl:" "zone:" ]; };
    knotItem = true' (has [ "zone:" "- domain: \"a.b\"" "file: \"x\"" ] (etc "knot/knot.conf" { services.knot = { enable = true; settings.zone."a.b".file = "x"; }; }));
    knotBoth = refuses { services.knot = { enable = true; settingsFile = "/x"; settings.server.listen = "x"; }; };

    # ---- others ----
    haproxyWithout = refuses { services.haproxy.enable = true; };
    sambaGlobalFirst = { expr = lib.head (lines (etc "samba/smb.conf" { services.samba = { enable = true; settings.a.path = "/a"; }; })); expected = "[global]"; };
    sambaOldShares = true' (has [ "[a]" "path = /a" ] (etc "samba/smb.conf" { services.samba = { enable = true; shares.a.path = "/a"; }; }));
    stunnelClient = true' (has [ "[a]" "CAFile=/ca" "OCSPaia=yes" "accept=80" "checkHost=h" "client=yes" ] (etc "stunnel.cfg" { services.stunnel = { enable = true; clients.a = { accept = "80"; CAFile = "/ca"; verifyHostname = "h"; }; }; }));
    stunnelNothing = refuses { services.stunnel.enable = true; };
    gitDaemon = true' (lib.hasInfix "--base-path=/git --port=9418" (unit "git-daemon" { services.gitDaemon = { enable = true; basePath = "/git"; }; }).script);
    vsftpdTls = refuses { services.vsftpd = { enable = true; forceLocalDataSSL = true; }; };
    prometheusJob = refuses { services.prometheus = { enable = true; scrapeConfigs = [ { static_configs = [ ]; } ]; }; };
    mosquittoTwoPasswords = refuses { services.mosquitto = { enable = true; listeners = [ { users.a = { password = "x"; hashedPassword = "y"; }; } ]; }; };
    borgWithoutPassphrase = refuses { services.borgbackup.jobs.a = { paths = "/"; repo = "/r"; encryption.mode = "repokey"; }; };
    borgKeys = true' (lib.hasInfix "borg serve --restrict-to-repository . --append-only --storage-quota 1G\",restrict ssh-x" (plain (lib.head (system { services.borgbackup.repos.a = { authorizedKeysAppendOnly = [ "ssh-x" ]; quota = "1G"; }; }).users.users.borg.openssh.authorizedKeys.keys)));
    dovecotOrder = { expr = lib.take 2 (lines (etc "dovecot/dovecot.conf" { services.dovecot2.enable = true; })); expected = [ "dovecot_config_version = 2.4.1" "dovecot_storage_version = 2.4.0" ]; };
    dovecotMailbox = true' (has [ "mailbox \"a b\" {" "auto = create" "special_use = \\Junk" "}" ] (etc "dovecot/dovecot.conf" { services.dovecot2 = { enable = true; mailboxes."a b" = { auto = "create"; specialUse = "Junk"; }; }; }));
    dovecotOldLocation = true' (has [ "mail_index_path = /i/%{user}" ] (etc "dovecot/dovecot.conf" { services.dovecot2 = { enable = true; mailLocation = "maildir:/m:INDEX=/i/%u"; }; }));
    dovecotUnknownLocation = refuses { services.dovecot2 = { enable = true; mailLocation = "maildir:/m:VOLATILEDIR=/i"; }; };
    dovecotOldWords = true' (has [ "log_debug = category=mail" "auth_username_format = %{user | username}" ] (etc "dovecot/dovecot.conf" { services.dovecot2 = { enable = true; extraConfig = "mail_debug = yes\nauth_username_format = %n"; }; }));
    dovecotScripts = refuses { services.dovecot2 = { enable = true; sieve.beforeScripts = [ "keep;" ]; }; };
    dovecotHalfATls = refuses { services.dovecot2 = { enable = true; sslServerCert = "/c"; }; };
    chronyServers = true' (has [ "server a iburst" "server b iburst" ] (etc "chrony/chrony.conf" { services.chrony = { enable = true; servers = [ "a" "b" ]; }; }));
    firewalldZone = true' (has [ "<zone target=\"DROP\">" "<short></short>" "<description></description>" "<port port=\"5\" protocol=\"tcp\"/>" "<port port=\"6-7\" protocol=\"udp\"/>" ] (etc "firewalld/zones/nixos-fw-default.xml" { services.firewalld.enable = true; networking.firewall = { backend = "firewalld"; allowedTCPPorts = [ 5 ]; allowedUDPPortRanges = [ { from = 6; to = 7; } ]; }; }));
    firewalldInterfaces = refuses { services.firewalld.enable = true; networking.firewall = { backend = "firewalld"; interfaces.a.allowedTCPPorts = [ 5 ]; }; };
    dockerSettings = { expr = (builtins.fromJSON (etc "docker/daemon.json" { virtualisation.docker = { enable = true; daemon.settings.labels = [ "a" ]; }; })).labels; expected = [ "a" ]; };

    # ---- web, caches, doors ----
    lighttpdUnknown = refuses { services.lighttpd = { enable = true; enableModules = [ "mod_snow" ]; }; };
    lighttpdGone = refuses { services.lighttpd = { enable = true; enableModules = [ "mod_cml" ]; }; };
    lighttpdPackage = { expr = lib.elem "lighttpd-mod-webdav" (system { services.lighttpd = { enable = true; enableModules = [ "mod_webdav" ]; }; }).snowglobe.system.debianPackages; expected = true; };
    varnishListen = true' (lib.hasInfix " -a *:6081 -n " (plain (unit "varnish" { services.varnish = { enable = true; config = ""; }; }).serviceConfig.ExecStart));
    varnishSockets = true' (lib.hasInfix " -a p=0.0.0.0:80,PROXY -a /run/v,HTTP,user=a,mode=660 -n " (plain (unit "varnish" { services.varnish = { enable = true; config = ""; listen = [ { name = "p"; address = "0.0.0.0"; port = 80; proto = "PROXY"; } { address = "/run/v"; user = "a"; mode = "660"; } ]; }; }).serviceConfig.ExecStart));
    privoxyTor = refuses { services.privoxy = { enable = true; enableTor = true; }; };
    uwsgiPlugin = refuses { services.uwsgi = { enable = true; plugins = [ "snow" ]; }; };
    fail2banJail = true' (has [ "[sshd]" "enabled = true" "journalmatch = _SYSTEMD_UNIT=sshd.service + _COMM=sshd + _COMM=sshd-session" "port = 22" ] (etc "fail2ban/jail.local" { services.openssh.enable = true; services.fail2ban.enable = true; }));
    fail2banTwice = refuses { services.fail2ban = { enable = true; bantime-increment = { formula = "x"; multipliers = "1"; }; }; };
    tincOnlyEd25519 = refuses { services.tinc.networks.a.ed25519PrivateKeyFile = "/k"; };
    tincHost = true' (has [ "Address=1.2.3.4 655" "Subnet=10.0.0.1#10" ] (etc "tinc/a/hosts/b" { services.tinc.networks.a.hostSettings.b = { addresses = [ { address = "1.2.3.4"; port = 655; } ]; subnets = [ { address = "10.0.0.1"; } ]; }; }));
    openvpnResolv = refuses { services.openvpn.servers.a = { config = ""; updateResolvConf = true; }; };
    strongswan = true' (has [ "local-main {" "auth = psk" "}" ] (etc "swanctl/swanctl.conf" { services.strongswan-swanctl = { enable = true; swanctl.connections.a.local.main.auth = "psk"; }; }));
    strongswanSecret = true' (has [ "ike-b {" "id-main = 1.2.3.4" "secret = x" "}" ] (etc "swanctl/swanctl.conf" { services.strongswan-swanctl = { enable = true; swanctl.secrets.ike.b = { id.main = "1.2.3.4"; secret = "x"; }; }; }));
    frrDaemons = true' (lib.elem "ospfd=yes" (lines (etc "frr/daemons" { services.frr.ospfd.enable = true; })));
    resticTwoPlaces = refuses { services.restic.backups.a = { passwordFile = "/p"; repository = "/r"; repositoryFile = "/f"; }; };
    resticRclone = { expr = (unit "restic-backups-a" { services.restic.backups.a = { passwordFile = "/p"; repository = "rclone:local:/r"; rcloneConfig.one_file_system = true; }; }).environment.RCLONE_CONFIG_LOCAL_ONE_FILE_SYSTEM; expected = "true"; };
    syncthingUnknownDevice = refuses { services.syncthing = { enable = true; settings.folders.a.devices = [ "nobody" ]; }; };
    radicaleBoth = refuses { services.radicale = { enable = true; config = "x"; settings.a.b = "c"; }; };
    mysqlBackupLevel = refuses { services.mysql = { enable = true; package = pkgs.mariadb; }; services.mysqlBackup = { enable = true; compressionLevel = 11; }; };
    kerberosAcl = true' (lib.hasInfix "acl_file" (plain (system { services.kerberos_server = { enable = true; settings.realms.A.acl = [ { principal = "x"; } ]; }; }).environment.etc."krb5kdc/kdc.conf".source.drvAttrs.text));
    krb5Text = true' (has [ "[libdefaults]" "default_realm = A" "[realms]" "A = {" "kdc = k" "}" ] (etc "krb5.conf" { security.krb5 = { enable = true; settings = { libdefaults.default_realm = "A"; realms.A.kdc = "k"; }; }; }));

    prosodyBare = refuses { services.prosody.enable = true; };
    prosodyRooms = true' (has [ "Component \"r.a\" \"muc\"" "name = \"Igloos\"" ] (etc "prosody/prosody.cfg.lua" { services.prosody = { enable = true; muc = [ { domain = "r.a"; name = "Igloos"; } ]; httpFileShare.domain = "f.a"; }; }));
    prosodyUpload = refuses { services.prosody = { enable = true; xmppComplianceSuite = false; uploadHttp.domain = "a"; }; };
    opensmtpdAndPostfix = refuses { services.opensmtpd = { enable = true; serverConfiguration = ""; }; services.postfix.enable = true; };
    apcupsdEvent = refuses { services.apcupsd = { enable = true; hooks.snow = ""; }; };

    # Everything at once: nothing here stands in another's way.
    together = accepts {
      services.nginx.enable = true;
      services.httpd = { enable = true; virtualHosts.a.listen = [ { port = 8080; } ]; };
      services.haproxy = { enable = true; config = "x"; };
      services.postgresql.enable = true;
      services.postgresqlBackup.enable = true;
      services.mysql = { enable = true; package = pkgs.mariadb; };
      services.redis.servers."".enable = true;
      services.memcached.enable = true;
      services.etcd.enable = true;
      services.openldap.enable = true;
      services.bind.enable = true;
      services.knot.enable = true;
      services.dnsdist.enable = true;
      services.samba.enable = true;
      services.atd.enable = true;
      services.rsyslogd.enable = true;
      services.gitDaemon.enable = true;
      services.vsftpd.enable = true;
      services.stunnel = { enable = true; servers.a = { accept = 1; connect = 2; }; };
      services.prometheus = { enable = true; pushgateway.enable = true; };
      services.mosquitto.enable = true;
      services.postfix.enable = true;
      services.dovecot2.enable = true;
      services.chrony.enable = true;
      services.borgbackup.repos.a.authorizedKeys = [ "x" ];
      services.lighttpd = { enable = true; port = 81; };
      services.varnish = { enable = true; config = ""; };
      services.squid.enable = true;
      services.privoxy.enable = true;
      services.radicale.enable = true;
      services.syncthing.enable = true;
      services.transmission.enable = true;
      services.influxdb.enable = true;
      services.restic.backups.a = { passwordFile = "/p"; repository = "/r"; };
      services.rspamd = { enable = true; postfix.enable = true; };
      services.powerdns.enable = true;
      services.rabbitmq.enable = true;
      services.uwsgi.enable = true;
      services.fail2ban.enable = true;
      services.avahi = { enable = true; nssmdns4 = true; };
      services.openvpn.servers.a.config = "";
      services.iodine.server.enable = true;
      services.babeld.enable = true;
      services.frr.bgpd.enable = true;
      services.sslh = { enable = true; settings.transparent = true; };
      services.pgbouncer.enable = true;
      services.murmur.enable = true;
      services.nats.enable = true;
      services.collectd.enable = true;
      services.munin-node.enable = true;
      services.munin-cron.enable = true;
    };
  };

  check =
    name: test:
    let
      outcome = builtins.tryEval (builtins.deepSeq test.expr test.expr);
    in
    if test.fails or false then
      lib.optional outcome.success "${name}: should have failed"
    else if !outcome.success then
      [ "${name}: failed" ]
    else
      lib.optional (outcome.value != test.expected) "${name}: ${builtins.toJSON outcome.value} instead of ${builtins.toJSON test.expected}";
in
lib.concatLists (lib.mapAttrsToList check tests)
