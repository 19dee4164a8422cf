# Services that are a few lines each.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf;
  inherit (import ../short.nix { inherit lib; }) option flag maybe lines enable package;
  inherit (config.services) beanstalkd earlyoom udisks2 glusterfs zookeeper;
  oom = earlyoom;
in
{
  options.services = {
    beanstalkd = {
      enable = enable "the work queue beanstalkd";
      listen.port = option types.port 11300 "Port.";
      listen.address = option types.str "127.0.0.1" "Address.";
      openFirewall = flag false "Whether the firewall lets the port through.";
    };
    earlyoom = {
      enable = enable "earlyoom, which ends processes before memory is used up";
      package = package "earlyoom" pkgs.earlyoom;
      freeMemThreshold = option (types.ints.between 1 100) 10 "Per cent of memory that must be free.";
      freeMemKillThreshold = maybe (types.ints.between 1 100) "Per cent below which processes are killed outright.";
      freeSwapThreshold = option (types.ints.between 1 100) 10 "Per cent of swap that must be free.";
      freeSwapKillThreshold = maybe (types.ints.between 1 100) "Per cent below which processes are killed outright.";
      enableDebugInfo = flag false "Whether more is logged.";
      enableNotifications = flag false "Not supported: notices on desktops.";
      killHook = maybe types.path "Program that runs after a process was ended.";
      reportInterval = option types.int 3600 "Seconds between reports.";
      extraArgs = option (types.listOf types.str) [ ] "Further arguments.";
    };
    udisks2 = {
      enable = enable "udisks2, with which users mount disks";
      mountOnMedia = flag false "Whether disks are mounted below /media, for all users.";
      settings = option (types.attrsOf ((pkgs.formats.ini { }).type)) { "udisks2.conf".udisks2 = { modules = "*"; modules_load_preference = "ondemand"; }; } "Files below /etc/udisks2, by name.";
    };
    glusterfs = {
      enable = enable "the GlusterFS daemon";
      logLevel = option (types.enum [ "DEBUG" "INFO" "WARNING" "ERROR" "CRITICAL" "TRACE" "NONE" ]) "INFO" "How much is logged.";
      useRpcbind = flag true "Whether rpcbind runs, as NFS needs it.";
      enableGlustereventsd = flag false "Not supported.";
      killMode = option (types.enum [ "control-group" "process" "mixed" "none" ]) "control-group" "What ends with the daemon.";
      stopKillTimeout = option types.str "5s" "How long that may take.";
      extraFlags = option (types.listOf types.str) [ ] "Further arguments.";
    };
    zookeeper = {
      enable = enable "ZooKeeper";
      port = option types.port 2181 "Port.";
      id = option types.int 0 "Number of the server.";
      purgeInterval = option types.int 1 "Hours between purges.";
      extraConf = lines "Further settings.";
      servers = lines "The servers of the cluster, a line each.";
      dataDir = option types.path "/var/lib/zookeeper" "Where the data lie.";
      extraCmdLineOptions = option (types.listOf types.str) [ "-Djava.net.preferIPv4Stack=true" ] "Arguments of Java.";
      jre = package "jre" pkgs.jre;
    };
  };

  config = lib.mkMerge [
    (mkIf beanstalkd.enable {
      networking.firewall.allowedTCPPorts = mkIf beanstalkd.openFirewall [ beanstalkd.listen.port ];
      environment.systemPackages = [ pkgs.beanstalkd ];
      systemd.services.beanstalkd = {
        description = "Beanstalk Work Queue";
        after = [ "network.target" ];
        wantedBy = [ "multi-user.target" ];
        serviceConfig = {
          DynamicUser = true;
          Restart = "always";
          ExecStart = "${pkgs.beanstalkd}/bin/beanstalkd -l ${beanstalkd.listen.address} -p ${toString beanstalkd.listen.port} -b $STATE_DIRECTORY";
          StateDirectory = "beanstalkd";
        };
      };
    })

    (mkIf oom.enable {
      assertions = [
        {
          assertion = !oom.enableNotifications;
          message = "services.earlyoom.enableNotifications is not supported";
        }
      ];
      systemd.services.earlyoom = {
        description = "Early OOM Daemon for Linux";
        wantedBy = [ "multi-user.target" ];
        serviceConfig = {
          Restart = "always";
          ExecStart = lib.concatStringsSep " " (
            [
              "${oom.package}/bin/earlyoom"
              "-m ${toString oom.freeMemThreshold}${lib.optionalString (oom.freeMemKillThreshold != null) ",${toString oom.freeMemKillThreshold}"}"
              "-s ${toString oom.freeSwapThreshold}${lib.optionalString (oom.freeSwapKillThreshold != null) ",${toString oom.freeSwapKillThreshold}"}"
              "-r ${toString oom.reportInterval}"
            ]
            ++ lib.optional oom.enableDebugInfo "-d"
            ++ lib.optional (oom.killHook != null) "-N ${oom.killHook}"
            ++ oom.extraArgs
          );
        };
      };
    })

    (mkIf udisks2.enable {
      environment.systemPackages = [ pkgs.udisks2 ];
      environment.etc = lib.mapAttrs' (name: value: lib.nameValuePair "udisks2/${name}" { source = (pkgs.formats.ini { }).generate name value; }) udisks2.settings;
      security.polkit.enable = true;
      services.dbus.packages = [ pkgs.udisks2 ];
      services.udev.packages = [ pkgs.udisks2 ];
      services.udev.extraRules = lib.optionalString udisks2.mountOnMedia ''
        ENV{ID_FS_USAGE}=="filesystem", ENV{UDISKS_FILESYSTEM_SHARED}="1"
      '';
      systemd.packages = [ pkgs.udisks2 ];
      systemd.tmpfiles.rules = [ "d /var/lib/udisks2 0755 root root -" ] ++ lib.optional udisks2.mountOnMedia "D! /media 0755 root root 0 -";
    })

    (mkIf glusterfs.enable {
      assertions = [
        {
          assertion = !glusterfs.enableGlustereventsd;
          message = "services.glusterfs.enableGlustereventsd is not supported";
        }
      ];
      environment.systemPackages = [ pkgs.glusterfs ];
      systemd.packages = lib.optional glusterfs.useRpcbind pkgs.rpcbind;
      systemd.sockets.rpcbind = mkIf glusterfs.useRpcbind { wantedBy = [ "sockets.target" ]; };
      systemd.tmpfiles.rules = [ "d /var/lib/glusterd 0755 root root -" "d /var/log/glusterfs 0755 root root -" "d /run/gluster 0755 root root -" ];
      systemd.services.glusterd = {
        description = "GlusterFS, a clustered file-system server";
        wantedBy = [ "multi-user.target" ];
        after = [ "network.target" ];
        environment.LC_ALL = "C.UTF-8";
        serviceConfig = {
          LimitNOFILE = 65536;
          ExecStart = "${pkgs.glusterfs}/bin/glusterd --no-daemon --log-level=${glusterfs.logLevel} ${toString glusterfs.extraFlags}";
          KillMode = glusterfs.killMode;
          TimeoutStopSec = glusterfs.stopKillTimeout;
        };
      };
    })

    (mkIf zookeeper.enable {
      users.users.zookeeper = { isSystemUser = true; group = "zookeeper"; description = "Zookeeper daemon user"; home = zookeeper.dataDir; };
      users.groups.zookeeper = { };
      environment.systemPackages = [ pkgs.zookeeper ];
      systemd.tmpfiles.rules = [ "d '${zookeeper.dataDir}' 0700 zookeeper zookeeper - -" "Z '${zookeeper.dataDir}' 0700 zookeeper zookeeper - -" ];
      systemd.services.zookeeper = {
        description = "Zookeeper Daemon";
        wantedBy = [ "multi-user.target" ];
        after = [ "network.target" ];
        serviceConfig = {
          ExecStart = "${zookeeper.jre}/bin/java -cp /etc/zookeeper/conf:/usr/share/java/* ${lib.escapeShellArgs zookeeper.extraCmdLineOptions} org.apache.zookeeper.server.quorum.QuorumPeerMain ${pkgs.writeText "zoo.cfg" ''
            tickTime=2000
            initLimit=10
            syncLimit=5
            dataDir=${zookeeper.dataDir}
            clientPort=${toString zookeeper.port}
            autopurge.purgeInterval=${toString zookeeper.purgeInterval}
            ${zookeeper.extraConf}
            ${zookeeper.servers}
          ''}";
          User = "zookeeper";
        };
        preStart = "echo ${toString zookeeper.id} >${zookeeper.dataDir}/myid";
      };
    })
  ];
}
