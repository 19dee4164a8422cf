# `services.prosody`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption optionalString;
  inherit (import ../short.nix { inherit lib; }) option flag maybe lines enable package required;
  cfg = config.services.prosody;

  lua = value:
    if lib.isBool value then lib.boolToString value
    else if lib.isInt value || lib.isFloat value then toString value
    else if lib.isList value then "{ ${lib.concatMapStringsSep ", " lua value} }"
    else if lib.isAttrs value && !(lib.isDerivation value) then "{ ${lib.concatStrings (lib.mapAttrsToList (key: v: "[${builtins.toJSON key}] = ${lua v}; ") value)}}"
    else builtins.toJSON (toString value);

  sslOptions.options = {
    key = required types.path "The key.";
    cert = required types.path "The certificate.";
    extraOptions = option types.attrs { } "Further settings of TLS.";
  };
  sslText = ssl: "ssl = {\n  cafile = \"/etc/ssl/certs/ca-certificates.crt\";\n  key = \"${ssl.key}\";\n  certificate = \"${ssl.cert}\";\n${lib.concatStrings (lib.mapAttrsToList (key: v: "  ${key} = ${lua v};\n") ssl.extraOptions)}};\n";

  # Module, whether it is on, what it is for.
  modules = {
    roster = [ true "lists of friends" ];
    saslauth = [ true "logging in" ];
    tls = [ true "TLS" ];
    dialback = [ true "trust between servers" ];
    disco = [ true "discovery of services" ];
    carbons = [ true "several clients of a user" ];
    csi = [ true "clients that sleep" ];
    pep = [ true "personal events" ];
    private = [ true "private data" ];
    blocklist = [ true "lists of people that are shut out" ];
    vcard = [ false "visiting cards" ];
    vcard_legacy = [ true "old visiting cards" ];
    bookmarks = [ true "bookmarks of rooms" ];
    version = [ true "telling the version" ];
    uptime = [ true "telling how long the server has run" ];
    time = [ true "telling the time" ];
    ping = [ true "answering pings" ];
    register = [ true "changing passwords, and accounts that users make" ];
    mam = [ true "archives of messages" ];
    smacks = [ true "connections that come back" ];
    admin_adhoc = [ true "administration by commands" ];
    http_files = [ true "files over HTTP" ];
    proxy65 = [ true "files between clients" ];
    admin_telnet = [ false "a console at port 5582" ];
    bosh = [ false "clients over HTTP" ];
    websocket = [ false "clients over web sockets" ];
    limits = [ false "limits of bandwidth" ];
    groups = [ false "shared lists of friends" ];
    server_contact_info = [ false "contacts" ];
    announce = [ false "announcements" ];
    welcome = [ false "greetings" ];
    watchregistrations = [ false "telling of new accounts" ];
    motd = [ false "a message of the day" ];
    legacyauth = [ false "logging in by old ways" ];
  };
  on = lib.filter (name: cfg.modules.${name}) (lib.attrNames modules) ++ cfg.extraModules;

  mucOptions.options = {
    domain = required types.str "Domain of the rooms.";
    name = option types.str "Prosody Chatrooms" "What they are called.";
    restrictRoomCreation = option (types.enum [ true false "admin" "local" ]) false "Who may make rooms.";
    maxHistoryMessages = option types.int 20 "Most messages that a room keeps.";
    roomDefaultPublic = flag true "Whether rooms are public.";
    roomDefaultMembersOnly = flag false "Whether rooms are for members.";
    roomDefaultModerated = flag false "Whether rooms are moderated.";
    roomDefaultPublicJids = flag false "Whether everybody sees who somebody is.";
    roomDefaultChangeSubject = flag false "Whether everybody may change the subject.";
    roomDefaultHistoryLength = option types.int 20 "Messages that newcomers see.";
    roomDefaultLanguage = option types.str "en" "Language.";
    roomLocking = flag true "Whether rooms are locked until they are configured.";
    roomLockTimeout = option types.int 300 "Seconds until that is over.";
    tombstones = flag true "Whether rooms that were removed stay known.";
    tombstoneExpiry = option types.int 2678400 "Seconds for which they do.";
    extraConfig = lines "Further text.";
  };
  mucText = muc: ''
    Component "${muc.domain}" "muc"
      name = "${muc.name}"
      restrict_room_creation = ${lua muc.restrictRoomCreation}
      max_history_messages = ${toString muc.maxHistoryMessages}
      muc_room_locking = ${lua muc.roomLocking}
      muc_room_lock_timeout = ${toString muc.roomLockTimeout}
      muc_tombstones = ${lua muc.tombstones}
      muc_tombstone_expiry = ${toString muc.tombstoneExpiry}
      muc_room_default_public = ${lua muc.roomDefaultPublic}
      muc_room_default_members_only = ${lua muc.roomDefaultMembersOnly}
      muc_room_default_moderated = ${lua muc.roomDefaultModerated}
      muc_room_default_public_jids = ${lua muc.roomDefaultPublicJids}
      muc_room_default_change_subject = ${lua muc.roomDefaultChangeSubject}
      muc_room_default_history_length = ${toString muc.roomDefaultHistoryLength}
      muc_room_default_language = "${muc.roomDefaultLanguage}"
      ${muc.extraConfig}
  '';
  hostOptions = { name, ... }: {
    options = {
      domain = option types.str name "Domain.";
      enabled = flag false "Whether the host is served.";
      ssl = maybe (types.submodule sslOptions) "Its certificate.";
      extraConfig = lines "Further text.";
    };
  };
  share = cfg.httpFileShare;
  configFile = pkgs.writeText "prosody.cfg.lua" ''
    pidfile = "/run/prosody/prosody.pid"
    log = ${cfg.log}
    data_path = "${cfg.dataDir}"
    plugin_paths = ${lua (map toString cfg.extraPluginPaths)}
    ${optionalString (cfg.ssl != null) (sslText cfg.ssl)}
    admins = ${lua cfg.admins}
    modules_enabled = ${lua on}
    disco_items = { ${lib.concatMapStrings (item: "{ ${lua item.url}, ${lua item.description} }; ") cfg.disco_items}}
    allow_registration = ${lua cfg.allowRegistration}
    c2s_require_encryption = ${lua cfg.c2sRequireEncryption}
    s2s_require_encryption = ${lua cfg.s2sRequireEncryption}
    s2s_secure_auth = ${lua cfg.s2sSecureAuth}
    s2s_insecure_domains = ${lua cfg.s2sInsecureDomains}
    s2s_secure_domains = ${lua cfg.s2sSecureDomains}
    authentication = ${lua cfg.authentication}
    http_interfaces = ${lua cfg.httpInterfaces}
    https_interfaces = ${lua cfg.httpsInterfaces}
    http_ports = ${lua cfg.httpPorts}
    https_ports = ${lua cfg.httpsPorts}
    ${cfg.extraConfig}
    ${lib.concatMapStrings mucText cfg.muc}
    ${optionalString (share != null && share.domain or null != null) ''
      Component "${share.domain}" "http_file_share"
      ${lib.concatStrings (lib.mapAttrsToList (key: v: "  http_file_share_${key} = ${if key == "size_limit" || key == "daily_quota" || key == "global_quota" || key == "expires_after" then toString v else lua v}\n") (removeAttrs share [ "domain" "http_host" ]))}
      ${optionalString (share ? http_host) "http_host = ${lua share.http_host}"}
    ''}
    ${lib.concatStrings (lib.mapAttrsToList (_: host: ''
      VirtualHost "${host.domain}"
        enabled = ${lua host.enabled}
        ${optionalString (host.ssl != null) (sslText host.ssl)}
        ${host.extraConfig}
    '') cfg.virtualHosts)}
  '';
in
{
  options.services.prosody = {
    enable = enable "the XMPP server Prosody";
    package = package "prosody" pkgs.prosody;
    xmppComplianceSuite = flag true "Whether rooms and a place for files have to be configured, as XEP-0423 wants.";
    dataDir = option types.path "/var/lib/prosody" "Where the data lie.";
    disco_items = option (types.listOf (types.submodule { options = { url = required types.str "Address."; description = required types.str "What is there."; }; })) [ ] "What is announced.";
    user = option types.str "prosody" "User that it runs as.";
    group = option types.str "prosody" "Group that it runs as.";
    allowRegistration = flag false "Whether users make accounts.";
    c2sRequireEncryption = flag true "Whether clients have to use TLS.";
    s2sRequireEncryption = flag true "Whether servers have to use TLS.";
    s2sSecureAuth = flag false "Whether servers need a certificate that is trusted.";
    s2sInsecureDomains = option (types.listOf types.str) [ ] "Servers that need none.";
    s2sSecureDomains = option (types.listOf types.str) [ ] "Servers that need one even so.";
    modules = lib.mapAttrs (_: row: flag (lib.elemAt row 0) "Module: ${lib.elemAt row 1}.") modules;
    extraModules = option (types.listOf types.str) [ ] "Further modules.";
    extraPluginPaths = option (types.listOf types.path) [ ] "Folders with further modules.";
    httpPorts = option (types.listOf types.int) [ 5280 ] "Ports of HTTP.";
    httpsPorts = option (types.listOf types.int) [ 5281 ] "Ports of HTTPS.";
    httpInterfaces = option (types.listOf types.str) [ "*" "::" ] "Addresses of HTTP.";
    httpsInterfaces = option (types.listOf types.str) [ "*" "::" ] "Addresses of HTTPS.";
    authentication = option (types.enum [ "internal_plain" "internal_hashed" "cyrus" "anonymous" ]) "internal_hashed" "How users are known.";
    virtualHosts = option (types.attrsOf (types.submodule hostOptions)) { localhost = { domain = "localhost"; enabled = true; }; } "Hosts, by any name.";
    ssl = maybe (types.submodule sslOptions) "The certificate of all.";
    admins = option (types.listOf types.str) [ ] "Who governs the server.";
    muc = option (types.listOf (types.submodule mucOptions)) [ ] "Rooms.";
    httpFileShare = mkOption {
      type = types.nullOr (types.submodule { freeformType = types.attrsOf types.anything; options.domain = maybe types.str "Domain of the service."; });
      default = null;
      description = "A place for files: settings of the module http_file_share, without that prefix.";
    };
    uploadHttp = option (types.nullOr types.attrs) null "Not supported: the module http_upload, which Prosody has no longer.";
    log = option types.lines "{ info = \"*syslog\" }" "Where the log goes, in Lua.";
    extraConfig = lines "Further text of the configuration.";
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = !cfg.xmppComplianceSuite || cfg.muc != [ ];
        message = "services.prosody.muc: no rooms are configured; set services.prosody.xmppComplianceSuite to false if that is meant";
      }
      {
        assertion = !cfg.xmppComplianceSuite || cfg.uploadHttp != null || share != null;
        message = "services.prosody.httpFileShare: no place for files is configured; set services.prosody.xmppComplianceSuite to false if that is meant";
      }
    ];
    snowglobe.refused = lib.optionalAttrs (cfg.uploadHttp != null) { "services.prosody.uploadHttp" = "Debian's Prosody has http_file_share instead; use services.prosody.httpFileShare"; };
    environment.systemPackages = [ cfg.package ];
    environment.etc."prosody/prosody.cfg.lua".source = configFile;
    users.users = mkIf (cfg.user == "prosody") { prosody = { uid = config.ids.uids.prosody; description = "Prosody user"; inherit (cfg) group; home = cfg.dataDir; }; };
    users.groups = mkIf (cfg.group == "prosody") { prosody.gid = config.ids.gids.prosody; };
    systemd.services.prosody = {
      description = "Prosody XMPP server";
      after = [ "network-online.target" ];
      wants = [ "network-online.target" ];
      wantedBy = [ "multi-user.target" ];
      restartTriggers = [ configFile ];
      serviceConfig = {
        User = cfg.user;
        Group = cfg.group;
        Type = "simple";
        RuntimeDirectory = "prosody";
        StateDirectory = mkIf (cfg.dataDir == "/var/lib/prosody") "prosody";
        StateDirectoryMode = mkIf (cfg.dataDir == "/var/lib/prosody") "0750";
        PIDFile = "/run/prosody/prosody.pid";
        ExecStart = "${cfg.package}/bin/prosody -F";
        ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
        Restart = "on-abnormal";
        AmbientCapabilities = [ "CAP_NET_BIND_SERVICE" ];
        NoNewPrivileges = true;
        PrivateDevices = true;
        PrivateTmp = true;
        ProtectHome = true;
      };
    };
  };
}
