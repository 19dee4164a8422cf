# `services.openssh`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.services.openssh;
  sshd = "/usr/sbin/sshd";

  value = types.nullOr (types.oneOf [ types.bool types.int types.path types.str (types.listOf types.str) ]);

  # Directives that hold a list are joined by commas or by spaces.
  spaced = [ "AllowUsers" "DenyUsers" "AllowGroups" "DenyGroups" "AcceptEnv" "AuthenticationMethods" "PermitListen" "PermitOpen" ];
  text = name: value:
    if lib.isBool value then
      (if value then "yes" else "no")
    else if lib.isList value then
      lib.concatStringsSep (if lib.elem name spaced then " " else ",") value
    else
      toString value;

  settings = lib.concatStrings (
    lib.mapAttrsToList (name: value: lib.optionalString (value != null && value != [ ]) "${name} ${text name value}\n") cfg.settings
  );

  setting = type: default: description: mkOption {
    type = types.nullOr type;
    inherit default description;
  };

  configFile = pkgs.writeText "sshd_config" ''
    ${lib.concatMapStrings (port: "Port ${toString port}\n") cfg.ports}
    ${lib.concatMapStrings (
      listen: "ListenAddress ${bracketed listen.addr}${lib.optionalString (listen.port != null) ":${toString listen.port}"}\n"
    ) cfg.listenAddresses}
    AddressFamily ${if config.networking.enableIPv6 then "any" else "inet"}
    ${lib.optionalString cfg.allowSFTP "Subsystem sftp ${cfg.sftpServerExecutable} ${toString cfg.sftpFlags}"}
    AuthorizedKeysFile ${toString cfg.authorizedKeysFiles}
    ${lib.optionalString (cfg.authorizedKeysCommand != "none") ''
      AuthorizedKeysCommand ${cfg.authorizedKeysCommand}
      AuthorizedKeysCommandUser ${cfg.authorizedKeysCommandUser}
    ''}
    ${lib.concatMapStrings (key: "HostKey ${key.path}\n") cfg.hostKeys}
    ${lib.optionalString (cfg.banner != null) "Banner ${pkgs.writeText "ssh_banner" cfg.banner}"}
    ${settings}
    ${cfg.extraConfig}
  '';

  generateKeys = lib.concatMapStrings (key: ''
    if ! [ -s ${lib.escapeShellArg key.path} ]; then
      rm -f ${lib.escapeShellArg key.path}
      mkdir -p "$(dirname ${lib.escapeShellArg key.path})"
      ssh-keygen -t ${lib.escapeShellArg key.type}${lib.optionalString (key.bits or null != null) " -b ${toString key.bits}"}${
        lib.optionalString (key.rounds or null != null) " -a ${toString key.rounds}"
      }${lib.optionalString (key.comment or null != null) " -C ${lib.escapeShellArg key.comment}"} -f ${lib.escapeShellArg key.path} -N ""
    fi
  '') cfg.hostKeys;

  keysOf = user: user.openssh.authorizedKeys;
  withKeys = lib.filter (user: (keysOf user).keys != [ ] || (keysOf user).keyFiles != [ ]) (lib.attrValues config.users.users);

  keyFile = user:
    pkgs.writeText "${user.name}-authorized_keys" (
      lib.concatLines ((keysOf user).keys ++ map (file: lib.removeSuffix "\n" (builtins.readFile file)) (keysOf user).keyFiles)
    );

  bracketed = address: if lib.hasInfix ":" address && !(lib.hasPrefix "[" address) then "[${address}]" else address;

  recommended = names: if cfg.enableRecommendedAlgorithms then names else null;

  start = "${sshd} -D -f /etc/ssh/sshd_config";
in
{
  imports = [
    (lib.mkAliasOptionModule [ "services" "sshd" "enable" ] [ "services" "openssh" "enable" ])
    (lib.mkRenamedOptionModule [ "services" "openssh" "permitRootLogin" ] [ "services" "openssh" "settings" "PermitRootLogin" ])
    (lib.mkRenamedOptionModule [ "services" "openssh" "passwordAuthentication" ] [ "services" "openssh" "settings" "PasswordAuthentication" ])
    (lib.mkRenamedOptionModule [ "services" "openssh" "kbdInteractiveAuthentication" ] [ "services" "openssh" "settings" "KbdInteractiveAuthentication" ])
    (lib.mkRenamedOptionModule [ "services" "openssh" "challengeResponseAuthentication" ] [ "services" "openssh" "settings" "KbdInteractiveAuthentication" ])
    (lib.mkRenamedOptionModule [ "services" "openssh" "forwardX11" ] [ "services" "openssh" "settings" "X11Forwarding" ])
    (lib.mkRenamedOptionModule [ "services" "openssh" "gatewayPorts" ] [ "services" "openssh" "settings" "GatewayPorts" ])
    (lib.mkRenamedOptionModule [ "services" "openssh" "useDns" ] [ "services" "openssh" "settings" "UseDns" ])
    (lib.mkRenamedOptionModule [ "services" "openssh" "logLevel" ] [ "services" "openssh" "settings" "LogLevel" ])
    (lib.mkRenamedOptionModule [ "services" "openssh" "macs" ] [ "services" "openssh" "settings" "Macs" ])
    (lib.mkRenamedOptionModule [ "services" "openssh" "ciphers" ] [ "services" "openssh" "settings" "Ciphers" ])
    (lib.mkRenamedOptionModule [ "services" "openssh" "kexAlgorithms" ] [ "services" "openssh" "settings" "KexAlgorithms" ])
  ];

  options = {
    services.openssh = {
      enable = mkOption { type = types.bool; default = false; description = "Whether sshd runs."; };
      package = mkOption { type = types.package; default = pkgs.openssh; description = "OpenSSH: Debian's."; };
      generateHostKeys = mkOption { type = types.bool; default = cfg.enable; defaultText = lib.literalExpression "config.services.openssh.enable"; description = "Whether missing host keys are made."; };
      enableRecommendedAlgorithms = mkOption { type = types.bool; default = true; description = "Whether only algorithms are offered that are thought safe."; };
      startWhenNeeded = mkOption { type = types.bool; default = false; description = "Whether sshd is started by a connection."; };
      allowSFTP = mkOption { type = types.bool; default = true; description = "Whether there is SFTP."; };
      sftpServerExecutable = mkOption { type = types.str; default = "/usr/lib/openssh/sftp-server"; description = "The SFTP server, or `internal-sftp`."; };
      sftpFlags = mkOption { type = types.listOf types.str; default = [ ]; description = "Arguments of the SFTP server."; };
      ports = mkOption { type = types.listOf types.port; default = [ 22 ]; description = "Ports."; };
      openFirewall = mkOption { type = types.bool; default = true; description = "Whether the ports are open."; };
      listenAddresses = mkOption {
        type = types.listOf (types.submodule {
          options = {
            addr = mkOption { type = types.nullOr types.str; default = null; description = "Address or host."; };
            port = mkOption { type = types.nullOr types.port; default = null; description = "Port; null: all of `ports`."; };
          };
        });
        default = [ ];
        description = "Addresses to listen at.";
      };
      hostKeys = mkOption {
        type = types.listOf (types.attrsOf types.unspecified);
        default = [
          { type = "rsa"; bits = 2048; path = "/etc/ssh/ssh_host_rsa_key"; }
          { type = "ed25519"; path = "/etc/ssh/ssh_host_ed25519_key"; }
        ];
        description = "Host keys, made at the first start. (Upstream makes one of RSA with 4096 bits, which takes a minute under emulation.)";
      };
      banner = mkOption { type = types.nullOr types.lines; default = null; description = "What is said before a login."; };
      authorizedKeysFiles = mkOption { type = types.listOf types.str; default = [ ]; description = "Where keys of users are looked for."; };
      authorizedKeysInHomedir = mkOption { type = types.bool; default = true; description = "Whether users may list their keys themselves."; };
      authorizedKeysCommand = mkOption { type = types.str; default = "none"; description = "A program that prints keys of a user."; };
      authorizedKeysCommandUser = mkOption { type = types.str; default = "nobody"; description = "As whom it runs."; };
      extraConfig = mkOption { type = types.lines; default = ""; description = "Text at the end of sshd_config."; };
      moduliFile = mkOption { type = types.nullOr types.path; default = null; description = "Groups of Diffie and Hellman; null: Debian's."; };
      settings = mkOption {
        type = types.submodule {
          freeformType = types.attrsOf value;
          options = {
            PasswordAuthentication = setting types.bool true "Whether passwords are accepted.";
            PermitRootLogin = setting (types.enum [ "yes" "without-password" "prohibit-password" "forced-commands-only" "no" ]) "prohibit-password" "Whether root may log in.";
            KbdInteractiveAuthentication = setting types.bool true "Whether questions are asked over PAM.";
            X11Forwarding = setting types.bool false "Whether X11 is forwarded.";
            GatewayPorts = setting types.str "no" "Whether others may use forwarded ports.";
            UseDns = setting types.bool false "Whether names of clients are looked up.";
            UsePAM = setting types.bool true "Whether PAM is asked.";
            PrintMotd = setting types.bool false "Whether sshd shows the message of the day.";
            LogLevel = setting types.str "INFO" "What is logged.";
            StrictModes = setting types.bool true "Whether files of users must be writable for nobody else.";
            AuthorizedPrincipalsFile = setting types.str "none" "File of principals.";
            AllowUsers = setting (types.listOf types.str) null "The only users that may log in.";
            DenyUsers = setting (types.listOf types.str) null "Users that may not log in.";
            AllowGroups = setting (types.listOf types.str) null "The only groups whose members may log in.";
            DenyGroups = setting (types.listOf types.str) null "Groups whose members may not log in.";
            Macs = setting (types.listOf types.str) (recommended [
              "hmac-sha2-512-etm@openssh.com" "hmac-sha2-256-etm@openssh.com" "umac-128-etm@openssh.com"
            ]) "Message authentication codes.";
            Ciphers = setting (types.listOf types.str) (recommended [
              "chacha20-poly1305@openssh.com" "aes256-gcm@openssh.com" "aes128-gcm@openssh.com" "aes256-ctr" "aes192-ctr" "aes128-ctr"
            ]) "Ciphers.";
            KexAlgorithms = setting (types.listOf types.str) (recommended [
              "mlkem768x25519-sha256" "sntrup761x25519-sha512" "sntrup761x25519-sha512@openssh.com" "curve25519-sha256"
              "curve25519-sha256@libssh.org" "diffie-hellman-group-exchange-sha256"
            ]) "Key exchanges.";
          };
        };
        default = { };
        description = "Directives of sshd_config.";
      };
    };

    users.users = mkOption {
      type = types.attrsOf (types.submodule {
        options.openssh = {
          authorizedKeys.keys = mkOption { type = types.listOf types.singleLineStr; default = [ ]; description = "Keys that open the account."; };
          authorizedKeys.keyFiles = mkOption { type = types.listOf types.path; default = [ ]; description = "Files of keys that open the account."; };
          authorizedPrincipals = mkOption { type = types.listOf types.singleLineStr; default = [ ]; description = "Principals of certificates that open the account."; };
        };
      });
    };
  };

  config = lib.mkMerge [ (lib.mkIf cfg.generateHostKeys {
    systemd.services.sshd-keygen = {
      description = "SSH Host Keys Generation";
      # Without a server nothing else asks for the keys.
      wantedBy = lib.optional (!cfg.enable) "multi-user.target";
      path = [ pkgs.openssh ];
      unitConfig.ConditionFileNotEmpty = map (key: "|!${key.path}") cfg.hostKeys;
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
      };
      script = generateKeys;
    };
  })
  (lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.startWhenNeeded -> cfg.listenAddresses == [ ] || lib.all (listen: listen.addr != null) cfg.listenAddresses;
        message = "services.openssh.listenAddresses: each needs an address.";
      }
    ];
    snowglobe.refused = lib.optionalAttrs (cfg.moduliFile != null) { "services.openssh.moduliFile" = "Debian's groups are used"; };
    snowglobe.system.debianPackages = [ "openssh-server" "openssh-sftp-server" ];

    # Where root's keys are looked for.
    systemd.tmpfiles.rules = [ "d- /root/.ssh :0700 root :root -" ];

    users.users.sshd = {
      isSystemUser = true;
      group = "sshd";
      description = "SSH privilege separation user";
      home = "/run/sshd";
    };
    users.groups.sshd = { };

    services.openssh.authorizedKeysFiles =
      lib.optional cfg.authorizedKeysInHomedir "%h/.ssh/authorized_keys" ++ [ "/etc/ssh/authorized_keys.d/%u" ];

    environment.etc = {
      "ssh/sshd_config".source = configFile;
    }
    // lib.listToAttrs (
      map (user: lib.nameValuePair "ssh/authorized_keys.d/${user.name}" { mode = "0444"; source = keyFile user; }) withKeys
    )
    // lib.listToAttrs (
      map (
        user:
        lib.nameValuePair "ssh/authorized_principals.d/${user.name}" {
          mode = "0444";
          text = lib.concatLines user.openssh.authorizedPrincipals;
        }
      ) (lib.filter (user: user.openssh.authorizedPrincipals != [ ]) (lib.attrValues config.users.users))
    );
    services.openssh.settings.AuthorizedPrincipalsFile = lib.mkIf (
      lib.any (user: user.openssh.authorizedPrincipals != [ ]) (lib.attrValues config.users.users)
    ) (lib.mkDefault "/etc/ssh/authorized_principals.d/%u");

    systemd = {
      services = {
        sshd = lib.mkIf (!cfg.startWhenNeeded) {
          description = "SSH Daemon";
          wantedBy = [ "multi-user.target" ];
          aliases = [ "ssh.service" ];
          after = [ "network.target" "sshd-keygen.service" ];
          wants = lib.optional cfg.generateHostKeys "sshd-keygen.service";
          stopIfChanged = false;
          path = [ pkgs.openssh ];
          restartTriggers = [ configFile ];
          serviceConfig = {
            Type = "notify";
            Restart = "always";
            RuntimeDirectory = "sshd";
            RuntimeDirectoryMode = "0755";
            ExecStart = start;
            ExecReload = "/bin/kill -HUP $MAINPID";
            KillMode = "process";
          };
        };

        "sshd@" = lib.mkIf cfg.startWhenNeeded {
          description = "SSH per-connection Daemon";
          after = [ "network.target" "sshd-keygen.service" ];
          wants = lib.optional cfg.generateHostKeys "sshd-keygen.service";
          stopIfChanged = false;
          path = [ pkgs.openssh ];
          serviceConfig = {
            ExecStart = "-${sshd} -i -D -f /etc/ssh/sshd_config";
            RuntimeDirectory = "sshd";
            RuntimeDirectoryPreserve = true;
            KillMode = "process";
            StandardInput = "socket";
            StandardError = "journal";
          };
        };
      };

      sockets.sshd = lib.mkIf cfg.startWhenNeeded {
        description = "SSH Socket";
        wantedBy = [ "sockets.target" ];
        socketConfig.ListenStream =
          if cfg.listenAddresses == [ ] then
            lib.concatMap (port: [ "0.0.0.0:${toString port}" ] ++ lib.optional config.networking.enableIPv6 "[::]:${toString port}") cfg.ports
          else
            lib.concatMap (
              listen:
              map (port: "${bracketed listen.addr}:${toString port}") (
                if listen.port != null then [ listen.port ] else cfg.ports
              )
            ) cfg.listenAddresses;
        socketConfig.Accept = true;
        socketConfig.BindIPv6Only = "ipv6-only";
        socketConfig.FreeBind = true;
      };
    };

    networking.firewall.allowedTCPPorts = lib.optionals cfg.openFirewall cfg.ports;

    security.pam.services.sshd = {
      startSession = true;
      showMotd = true;
      unixAuth = cfg.settings.PasswordAuthentication == true;
    };
  }) ];
}
