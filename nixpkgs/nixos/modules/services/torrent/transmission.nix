# `services.transmission`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption;
  inherit (import ../short.nix { inherit lib; }) option flag maybe enable package;
  cfg = config.services.transmission;
  set = cfg.settings;
  json = pkgs.formats.json { };
  settingsDir = "${cfg.home}/.config/transmission-daemon";
  folders = [ set.download-dir ] ++ lib.optional set.incomplete-dir-enabled set.incomplete-dir ++ lib.optional set.watch-dir-enabled set.watch-dir;
in
{
  imports = [
    (lib.mkRenamedOptionModule [ "services" "transmission" "port" ] [ "services" "transmission" "settings" "rpc-port" ])
    (lib.mkRenamedOptionModule [ "services" "transmission" "openFirewall" ] [ "services" "transmission" "openPeerPorts" ])
  ];

  options.services.transmission = {
    enable = enable "the BitTorrent client Transmission, as a service";
    settings = mkOption {
      default = { };
      description = "Settings of settings.json; they are written each time the service starts.";
      type = types.submodule {
        freeformType = json.type;
        options = {
          download-dir = option types.path "${cfg.home}/Downloads" "Where files go.";
          incomplete-dir = option types.path "${cfg.home}/.incomplete" "Where files are before they are whole.";
          incomplete-dir-enabled = flag true "Whether such files have a folder of their own.";
          message-level = option (types.ints.between 0 6) 2 "How much is logged.";
          peer-port = option types.port 51413 "Port for others.";
          peer-port-random-high = option types.port 65535 "Highest random port.";
          peer-port-random-low = option types.port 65535 "Lowest random port.";
          peer-port-random-on-start = flag false "Whether the port is a random one.";
          rpc-bind-address = option types.str "127.0.0.1" "Address of the interface.";
          rpc-port = option types.port 9091 "Port of the interface.";
          script-torrent-done-enabled = flag false "Whether a program runs when a torrent is whole.";
          script-torrent-done-filename = maybe types.path "That program.";
          umask = option (types.either types.int types.str) "022" "Umask of files.";
          utp-enabled = flag true "Whether µTP is spoken.";
          watch-dir = option types.path "${cfg.home}/watchdir" "Folder whose torrents are added.";
          watch-dir-enabled = flag false "Whether there is one.";
          trash-original-torrent-files = flag false "Whether those torrents are removed then.";
        };
      };
    };
    package = package "transmission" pkgs.transmission_4;
    downloadDirPermissions = maybe types.str "Mode of the folders for files.";
    home = option types.path "/var/lib/transmission" "Home of the service.";
    user = option types.str "transmission" "User that it runs as.";
    group = option types.str "transmission" "Group that it runs as.";
    credentialsFile = option types.path "/dev/null" "File of JSON with further settings.";
    extraFlags = option (types.listOf types.str) [ ] "Further arguments.";
    openPeerPorts = flag false "Whether the firewall lets others through.";
    openRPCPort = flag false "Whether the firewall lets the interface's port through.";
    performanceNetParameters = flag false "Whether the kernel is set for many connections.";
    webHome = maybe types.path "Files of the interface in browsers.";
  };

  config = mkIf cfg.enable {
    users.users = mkIf (cfg.user == "transmission") {
      transmission = { inherit (cfg) group home; uid = config.ids.uids.transmission; description = "Transmission BitTorrent user"; };
    };
    users.groups = mkIf (cfg.group == "transmission") { transmission.gid = config.ids.gids.transmission; };
    environment.systemPackages = [ cfg.package ];
    system.activationScripts.transmission-daemon = lib.stringAfter [ "users" ] ''
      install -d -m 0750 -o '${cfg.user}' -g '${cfg.group}' '${cfg.home}'
      install -d -m 0700 -o '${cfg.user}' -g '${cfg.group}' '${cfg.home}/.config' '${settingsDir}'
      ${lib.concatMapStrings (folder: ''
        install -d ${lib.optionalString (cfg.downloadDirPermissions != null) "-m '${cfg.downloadDirPermissions}'"} -o '${cfg.user}' -g '${cfg.group}' '${folder}'
      '') folders}
    '';
    systemd.services.transmission = {
      description = "Transmission BitTorrent Service";
      after = [ "network.target" ];
      wantedBy = [ "multi-user.target" ];
      environment.TRANSMISSION_WEB_HOME = mkIf (cfg.webHome != null) cfg.webHome;
      serviceConfig = {
        Type = "notify";
        ExecStartPre = "+${pkgs.writeShellScript "transmission-prestart" ''
          set -eu
          ${pkgs.jq}/bin/jq --slurp add ${json.generate "settings.json" cfg.settings} '${cfg.credentialsFile}' |
            install -D -m 600 -o '${cfg.user}' -g '${cfg.group}' /dev/stdin '${settingsDir}/settings.json'
        ''}";
        ExecStart = "${cfg.package}/bin/transmission-daemon -f -g ${settingsDir} ${lib.escapeShellArgs cfg.extraFlags}";
        ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
        User = cfg.user;
        Group = cfg.group;
        RuntimeDirectory = "transmission";
        UMask = "0066";
        ReadWritePaths = folders ++ [ cfg.home ];
        ProtectSystem = "strict";
        PrivateDevices = true;
        PrivateTmp = true;
        NoNewPrivileges = true;
        ProtectHome = lib.mkDefault true;
      };
    };
    networking.firewall = lib.mkMerge [
      (mkIf cfg.openPeerPorts (
        if set.peer-port-random-on-start then
          let range = [ { from = set.peer-port-random-low; to = set.peer-port-random-high; } ]; in
          { allowedTCPPortRanges = range; allowedUDPPortRanges = range; }
        else
          { allowedTCPPorts = [ set.peer-port ]; allowedUDPPorts = [ set.peer-port ]; }
      ))
      (mkIf cfg.openRPCPort { allowedTCPPorts = [ set.rpc-port ]; })
    ];
    boot.kernel.sysctl = lib.mkMerge [
      (mkIf set.utp-enabled { "net.core.rmem_max" = lib.mkDefault 4194304; "net.core.wmem_max" = lib.mkDefault 1048576; })
      (mkIf cfg.performanceNetParameters { "net.ipv4.ip_local_port_range" = "16384 65535"; "net.netfilter.nf_conntrack_generic_timeout" = 60; "net.netfilter.nf_conntrack_max" = 1048576; })
    ];
  };
}
