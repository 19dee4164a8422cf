# Services of the network that are a few lines each.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf;
  inherit (import ../short.nix { inherit lib; }) option flag lines enable package required confinement;
  inherit (config.services) endlessh nats ngircd tinydns icecast atftpd;
  json = pkgs.formats.json { };

  icecastConf = pkgs.writeText "icecast.xml" ''
    <icecast>
      <hostname>${toString icecast.hostname}</hostname>
      <authentication>
        <admin-user>${icecast.admin.user}</admin-user>
        <admin-password>${icecast.admin.password}</admin-password>
      </authentication>
      <paths>
        <logdir>${icecast.logDir}</logdir>
        <adminroot>${pkgs.icecast}/share/icecast2/admin</adminroot>
        <webroot>${pkgs.icecast}/share/icecast2/web</webroot>
        <alias source="/" dest="/status.xsl"/>
      </paths>
      <listen-socket>
        <port>${toString icecast.listen.port}</port>
        <bind-address>${icecast.listen.address}</bind-address>
      </listen-socket>
      <security>
        <chroot>0</chroot>
        <changeowner><user>${icecast.user}</user><group>${icecast.group}</group></changeowner>
      </security>
      ${icecast.extraConf}
    </icecast>
  '';
in
{
  options.services = {
    endlessh = {
      enable = enable "the tarpit endlessh";
      port = option types.port 2222 "Port.";
      extraOptions = option (types.listOf types.str) [ ] "Further arguments.";
      openFirewall = flag false "Whether the firewall lets the port through.";
    };
    nats = {
      enable = enable "the message system NATS";
      user = option types.str "nats" "User that it runs as.";
      group = option types.str "nats" "Group that it runs as.";
      serverName = option types.str "nats" "Name of the server.";
      jetstream = flag false "Whether messages are kept (JetStream).";
      port = option types.port 4222 "Port.";
      dataDir = option types.path "/var/lib/nats" "Where they are kept.";
      settings = option json.type { } "Further settings.";
      validateConfig = flag true "Whether the configuration is checked before the service starts.";
    };
    ngircd = {
      enable = enable "the IRC server ngircd";
      package = package "ngircd" pkgs.ngircd;
      config = required types.lines "Text of ngircd.conf.";
    };
    tinydns = {
      enable = enable "the name server tinydns";
      data = lines "Names, as tinydns-data reads them.";
      ip = option types.str "0.0.0.0" "Address.";
    };
    icecast = {
      enable = enable "the sound server Icecast";
      hostname = option (types.nullOr types.str) config.networking.domain "Name of the server in lists." // { defaultText = lib.literalExpression "config.networking.domain"; };
      admin.user = option types.str "admin" "Who governs it.";
      admin.password = required types.str "Password of that user.";
      logDir = option types.path "/var/log/icecast" "Where logs go.";
      listen.port = option types.port 8000 "Port.";
      listen.address = option types.str "::" "Address.";
      user = option types.str "nobody" "User that it runs as.";
      group = option types.str "nogroup" "Group that it runs as.";
      extraConf = lines "Further text of icecast.xml.";
    };
    atftpd = {
      enable = enable "the TFTP server atftpd";
      extraOptions = option (types.listOf types.str) [ ] "Further arguments.";
      root = option types.path "/srv/tftp" "Folder with the files.";
    };
  };

  config = lib.mkMerge [
    (mkIf endlessh.enable {
      networking.firewall.allowedTCPPorts = mkIf endlessh.openFirewall [ endlessh.port ];
      systemd.services.endlessh = {
        description = "SSH tarpit";
        wantedBy = [ "multi-user.target" ];
        after = [ "network.target" ];
        serviceConfig = confinement // {
          Restart = "always";
          ExecStart = "${pkgs.endlessh}/bin/endlessh -p ${toString endlessh.port} ${toString endlessh.extraOptions}";
          DynamicUser = true;
          AmbientCapabilities = mkIf (endlessh.port < 1024) [ "CAP_NET_BIND_SERVICE" ];
          CapabilityBoundingSet = if endlessh.port < 1024 then [ "CAP_NET_BIND_SERVICE" ] else [ "" ];
        };
      };
    })

    (mkIf nats.enable {
      services.nats.settings = {
        server_name = nats.serverName;
        inherit (nats) port;
        jetstream = lib.optionalAttrs nats.jetstream { store_dir = nats.dataDir; };
      };
      users.users = mkIf (nats.user == "nats") { nats = { description = "NATS daemon user"; isSystemUser = true; inherit (nats) group; home = nats.dataDir; }; };
      users.groups = mkIf (nats.group == "nats") { nats = { }; };
      systemd.services.nats =
        let file = json.generate "nats.conf" nats.settings; in
        {
          description = "NATS messaging system";
          wantedBy = [ "multi-user.target" ];
          after = [ "network.target" ];
          serviceConfig = confinement // {
            Type = "simple";
            ExecStartPre = mkIf nats.validateConfig "${pkgs.nats-server}/bin/nats-server -t -c ${file}";
            ExecStart = "${pkgs.nats-server}/bin/nats-server -c ${file}";
            ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
            ExecStop = "${pkgs.coreutils}/bin/kill -SIGINT $MAINPID";
            Restart = "on-failure";
            User = nats.user;
            Group = nats.group;
            LimitNOFILE = 800000;
            ReadWritePaths = mkIf (nats.dataDir != "/var/lib/nats") [ nats.dataDir ];
            StateDirectory = mkIf (nats.dataDir == "/var/lib/nats") "nats";
            StateDirectoryMode = mkIf (nats.dataDir == "/var/lib/nats") "0750";
          };
        };
    })

    (mkIf ngircd.enable {
      users.users.ngircd = { isSystemUser = true; group = "ngircd"; description = "ngircd user."; };
      users.groups.ngircd = { };
      systemd.services.ngircd = {
        description = "The ngircd IRC server";
        wantedBy = [ "multi-user.target" ];
        after = [ "network.target" ];
        serviceConfig = {
          ExecStart = "${ngircd.package}/bin/ngircd --config ${pkgs.writeText "ngircd.conf" ngircd.config} --nodaemon";
          User = "ngircd";
        };
      };
    })

    (mkIf tinydns.enable {
      environment.systemPackages = [ pkgs.djbdns ];
      users.users.tinydns = { isSystemUser = true; group = "tinydns"; };
      users.groups.tinydns = { };
      systemd.services.tinydns = {
        description = "djbdns tinydns server";
        wantedBy = [ "multi-user.target" ];
        after = [ "network.target" ];
        path = [ pkgs.djbdns ];
        preStart = ''
          rm -rf /var/lib/tinydns
          mkdir -p /var/lib/tinydns/root
          cd /var/lib/tinydns/root
          ln -s ${pkgs.writeText "tinydns-data" tinydns.data} data
          tinydns-data
        '';
        script = ''
          exec env ROOT=/var/lib/tinydns/root IP=${tinydns.ip} UID=$(id -u tinydns) GID=$(id -g tinydns) tinydns
        '';
      };
    })

    (mkIf icecast.enable {
      systemd.services.icecast = {
        description = "Icecast Network Audio Streaming Server";
        after = [ "network.target" ];
        wantedBy = [ "multi-user.target" ];
        preStart = "install -d -o ${icecast.user} -g ${icecast.group} ${icecast.logDir}";
        serviceConfig = {
          Type = "simple";
          ExecStart = "${pkgs.icecast}/bin/icecast -c ${icecastConf}";
          ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
        };
      };
    })

    (mkIf atftpd.enable {
      systemd.services.atftpd = {
        description = "TFTP Server";
        after = [ "network.target" ];
        wantedBy = [ "multi-user.target" ];
        serviceConfig.ExecStart = "${pkgs.atftp}/bin/atftpd --daemon --no-fork ${toString atftpd.extraOptions} ${atftpd.root}";
      };
    })
  ];
}
