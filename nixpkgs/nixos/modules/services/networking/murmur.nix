# `services.murmur`: the server of Mumble.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf optionalString;
  inherit (import ../short.nix { inherit lib; }) option flag maybe lines enable package;
  cfg = config.services.murmur;
  forking = cfg.logFile != null;
  given = key: value: optionalString (value != "") "${key}=${value}";
  configFile = pkgs.writeText "murmurd.ini" ''
    database=${cfg.stateDir}/murmur.sqlite
    dbDriver=QSQLITE
    autobanAttempts=${toString cfg.autobanAttempts}
    autobanTimeframe=${toString cfg.autobanTimeframe}
    autobanTime=${toString cfg.autobanTime}
    logfile=${optionalString forking cfg.logFile}
    ${optionalString forking "pidfile=/run/murmur/murmurd.pid"}
    welcometext="${cfg.welcometext}"
    port=${toString cfg.port}
    ${given "host" cfg.hostName}
    ${given "serverpassword" cfg.password}
    bandwidth=${toString cfg.bandwidth}
    users=${toString cfg.users}
    textmessagelength=${toString cfg.textMsgLength}
    imagemessagelength=${toString cfg.imgMsgLength}
    allowhtml=${lib.boolToString cfg.allowHtml}
    logdays=${toString cfg.logDays}
    bonjour=${lib.boolToString cfg.bonjour}
    sendversion=${lib.boolToString cfg.sendVersion}
    ${given "registerName" cfg.registerName}
    ${given "registerPassword" cfg.registerPassword}
    ${given "registerUrl" cfg.registerUrl}
    ${given "registerHostname" cfg.registerHostname}
    certrequired=${lib.boolToString cfg.clientCertRequired}
    ${given "sslCert" cfg.sslCert}
    ${given "sslKey" cfg.sslKey}
    ${given "sslCA" cfg.sslCa}
    ${cfg.extraConfig}
  '';
in
{
  options.services.murmur = {
    enable = enable "the Mumble server";
    openFirewall = flag false "Whether the firewall lets the port through.";
    user = option types.str "murmur" "User that it runs as.";
    group = option types.str "murmur" "Group that it runs as.";
    stateDir = option types.path "/var/lib/murmur" "Where the data base lies.";
    autobanAttempts = option types.int 10 "Attempts after which an address is shut out.";
    autobanTimeframe = option types.int 120 "Seconds in which they count.";
    autobanTime = option types.int 300 "Seconds for which it is.";
    logFile = maybe types.path "File for the log; default: the journal.";
    welcometext = option types.str "" "Text that clients see first.";
    port = option types.port 64738 "Port, TCP and UDP.";
    hostName = option types.str "" "Address; default: all.";
    package = package "murmur" pkgs.murmur;
    password = option types.str "" "Password of the server.";
    bandwidth = option types.int 72000 "Most bits a second of a client.";
    users = option types.int 100 "Most clients.";
    textMsgLength = option types.int 5000 "Longest text; 0: no limit.";
    imgMsgLength = option types.int 131072 "Largest picture; 0: no limit.";
    allowHtml = flag true "Whether texts may be HTML.";
    logDays = option types.int 31 "Days that the data base keeps its log; 0: for ever, -1: no log.";
    bonjour = flag false "Whether the server is announced to the network.";
    sendVersion = flag true "Whether it tells its version.";
    registerName = option types.str "" "Name of the server and of its root channel.";
    registerPassword = option types.str "" "Password of the public list.";
    registerUrl = option types.str "" "Site of the server.";
    registerHostname = option types.str "" "Name that the public list shows.";
    clientCertRequired = flag false "Whether clients need a certificate.";
    sslCert = option types.str "" "Certificate; default: one is made.";
    sslKey = option types.str "" "Its key.";
    sslCa = option types.str "" "Its authority.";
    extraConfig = lines "Further text of the configuration.";
    environmentFile = maybe types.path "File with variables that stand in the settings as $NAME.";
    dbus = option (types.enum [ null "session" "system" ]) null "Not supported: control over D-Bus.";
  };

  config = mkIf cfg.enable {
    snowglobe.refused = mkIf (cfg.dbus != null) { "services.murmur.dbus" = "Debian's Mumble server comes without D-Bus's policy for it"; };
    users.users = mkIf (cfg.user == "murmur") { murmur = { description = "Murmur Service user"; home = cfg.stateDir; createHome = true; uid = config.ids.uids.murmur; inherit (cfg) group; }; };
    users.groups = mkIf (cfg.group == "murmur") { murmur.gid = config.ids.gids.murmur; };
    networking.firewall = mkIf cfg.openFirewall { allowedTCPPorts = [ cfg.port ]; allowedUDPPorts = [ cfg.port ]; };
    systemd.services.murmur = {
      description = "Murmur Chat Service";
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" ];
      preStart = "${pkgs.envsubst}/bin/envsubst <${configFile} >/run/murmur/murmurd.ini";
      serviceConfig = {
        Type = if forking then "forking" else "simple";
        PIDFile = mkIf forking "/run/murmur/murmurd.pid";
        EnvironmentFile = mkIf (cfg.environmentFile != null) cfg.environmentFile;
        ExecStart = "${cfg.package}/bin/mumble-server ${lib.optionalString (!forking) "-fg"} -ini /run/murmur/murmurd.ini";
        Restart = "always";
        RuntimeDirectory = "murmur";
        RuntimeDirectoryMode = "0700";
        User = cfg.user;
        Group = cfg.group;
        AmbientCapabilities = "CAP_NET_BIND_SERVICE";
        NoNewPrivileges = true;
        PrivateDevices = true;
        PrivateTmp = true;
        ProtectSystem = "full";
        ProtectHome = true;
      };
    };
  };
}
