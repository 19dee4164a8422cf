# `services.dovecot2`: Debian's Dovecot, which is 2.4: `settings` and `extraConfig` are in that version's language.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption mkDefault;
  inherit (import ../short.nix { inherit lib; }) option flag maybe lines enable package;
  cfg = config.services.dovecot2;

  scalar = types.nullOr (types.oneOf [ types.bool types.int types.str types.path types.package ]);
  value = types.oneOf [ scalar (types.listOf scalar) (types.attrsOf types.anything) ];

  text = word: if lib.isBool word then (if word then "yes" else "no") else toString word;
  # Attribute sets are sections, named by their attribute: `"passdb pam"` is `passdb pam { … }`. Lists are words.
  line = indent: name: given:
    if given == null then
      ""
    else if lib.isAttrs given && !lib.isDerivation given then
      "${indent}${name} {\n${lib.concatStrings (lib.mapAttrsToList (line "${indent}  ") given)}${indent}}\n"
    else if lib.isList given then
      "${indent}${name} = ${lib.concatMapStringsSep " " text given}\n"
    else
      "${indent}${name} = ${text given}\n";
  # The versions of language and storage have to be the first two settings.
  versions = [ "dovecot_config_version" "dovecot_storage_version" ];
  configFile =
    if cfg.configFile != null then
      cfg.configFile
    else
      pkgs.writeText "dovecot.conf" (
        lib.concatMapStrings (name: line "" name cfg.settings.${name}) versions
        + lib.concatStrings (lib.mapAttrsToList (line "") (removeAttrs cfg.settings versions))
        + cfg.extraConfig
      );

  # `maildir:/path:INDEX=…`, as versions before 2.4 wrote it, as settings.
  location =
    let
      parts = lib.splitString ":" cfg.mailLocation;
    in
    {
      mail_driver = mkDefault (lib.head parts);
      mail_path = mkDefault (lib.concatMapStringsSep ":" (builtins.replaceStrings [ "%u" "%n" "%d" "%h" ] [ "%{user}" "%{user | username}" "%{user | domain}" "%{home}" ]) (lib.take 1 (lib.tail parts)));
    };
  hasCertificate = cfg.sslServerCert != null;
  isPlainLocation = lib.length (lib.splitString ":" cfg.mailLocation) == 2;

  mailbox = { name, ... }: {
    options = {
      name = option types.str name "Name of the mailbox.";
      auto = option (types.enum [ "no" "create" "subscribe" ]) "no" "Whether it is made, or made and subscribed to, by itself.";
      specialUse = maybe (types.enum [ "All" "Archive" "Drafts" "Flagged" "Junk" "Sent" "Trash" ]) "What it is for.";
      autoexpunge = maybe types.str "After what time its messages are removed.";
    };
  };
in
{
  imports = [
    (lib.mkRemovedOptionModule [ "services" "dovecot2" "modules" ] "Dovecot's plugins of Debian are found where they are: add the package to environment.systemPackages.")
  ];

  options.services.dovecot2 = {
    enable = enable "the IMAP and POP3 server Dovecot";
    package = package "dovecot" pkgs.dovecot;
    enableImap = flag true "Whether IMAP is served.";
    enablePop3 = flag false "Whether POP3 is served.";
    enableLmtp = flag false "Whether mail is taken by LMTP, at /run/dovecot/lmtp.";
    enablePAM = flag true "Whether users of the system log in by PAM.";
    enableQuota = mkOption { type = types.bool; default = false; apply = given: if given then throw "services.dovecot2.enableQuota is not supported: set Dovecot's plugin quota in services.dovecot2.settings" else given; description = "Not supported."; };
    protocols = option (types.listOf types.str) [ ] "Further protocols.";
    user = option types.str "dovecot2" "User of internal processes.";
    group = option types.str "dovecot2" "Group of internal processes.";
    mailUser = maybe types.str "User that owns all mail; null: each its own.";
    mailGroup = maybe types.str "Group that owns all mail; null: each its own.";
    createMailUser = flag true "Whether `mailUser` and `mailGroup` are made.";
    mailLocation = option types.str "maildir:/var/spool/mail/%u" "Where mail lies: a driver, a colon and a path.";
    mailboxes = mkOption {
      type = types.attrsOf (types.submodule mailbox);
      default = { };
      description = "Mailboxes that each user has.";
    };
    sslServerCert = maybe types.path "The server's certificate.";
    sslServerKey = maybe types.path "Its key.";
    sslCACert = maybe types.path "Authorities of clients' certificates.";
    settings = mkOption {
      type = types.submodule { freeformType = types.attrsOf value; };
      default = { };
      description = "Settings of dovecot.conf; attribute sets are sections.";
    };
    extraConfig = lines "Further text of dovecot.conf.";
    configFile = maybe types.path "The whole configuration, instead of all of this.";
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = isPlainLocation;
        message = "services.dovecot2.mailLocation '${cfg.mailLocation}' is not supported: Dovecot 2.4 has a setting of its own for what follows the path; use services.dovecot2.settings";
      }
      {
        assertion = (cfg.sslServerCert == null) == (cfg.sslServerKey == null);
        message = "services.dovecot2: sslServerCert and sslServerKey belong together";
      }
    ];

    services.dovecot2 = {
      protocols = lib.optional cfg.enableImap "imap" ++ lib.optional cfg.enablePop3 "pop3" ++ lib.optional cfg.enableLmtp "lmtp";
      settings = lib.mkMerge [
        {
          dovecot_config_version = mkDefault "2.4.1";
          dovecot_storage_version = mkDefault "2.4.0";
          base_dir = mkDefault "/run/dovecot2";
          protocols = mkDefault (lib.unique cfg.protocols);
          default_internal_user = mkDefault cfg.user;
          default_internal_group = mkDefault cfg.group;
          default_login_user = mkDefault "dovenull";
          # Without a certificate the server speaks in clear.
          ssl = mkDefault (if hasCertificate then "yes" else "no");
          auth_allow_cleartext = mkDefault (!hasCertificate);
          "namespace inbox" = {
            inbox = true;
          }
          // lib.mapAttrs' (
            _: box:
            lib.nameValuePair "mailbox ${builtins.toJSON box.name}" {
              auto = box.auto;
              special_use = if box.specialUse == null then null else "\\${box.specialUse}";
              autoexpunge = box.autoexpunge;
            }
          ) cfg.mailboxes;
        }
        (mkIf hasCertificate {
          ssl_server_cert_file = mkDefault cfg.sslServerCert;
          ssl_server_key_file = mkDefault cfg.sslServerKey;
        })
        (mkIf (cfg.sslCACert != null) { ssl_server_ca_file = mkDefault cfg.sslCACert; })
        (mkIf isPlainLocation location)
        (mkIf cfg.enablePAM {
          "passdb pam".service_name = mkDefault "dovecot2";
          "userdb passwd" = mkDefault { };
        })
        (mkIf (cfg.mailUser != null) { mail_uid = mkDefault cfg.mailUser; })
        (mkIf (cfg.mailGroup != null) { mail_gid = mkDefault cfg.mailGroup; })
      ];
    };

    security.pam.services.dovecot2 = mkIf cfg.enablePAM { };
    users.users = {
      dovenull = {
        uid = config.ids.uids.dovenull2;
        group = "dovenull";
        description = "Dovecot user for untrusted logins";
      };
    }
    // lib.optionalAttrs (cfg.user == "dovecot2") {
      dovecot2 = {
        uid = config.ids.uids.dovecot2;
        group = cfg.group;
        description = "Dovecot user";
      };
    }
    // lib.optionalAttrs (cfg.createMailUser && cfg.mailUser != null) {
      ${cfg.mailUser} = {
        isSystemUser = true;
        description = "Virtual Mail User";
        group = if cfg.mailGroup == null then "nogroup" else cfg.mailGroup;
      };
    };
    users.groups = {
      dovenull.gid = config.ids.gids.dovenull2;
    }
    // lib.optionalAttrs (cfg.group == "dovecot2") { dovecot2.gid = config.ids.gids.dovecot2; }
    // lib.optionalAttrs (cfg.createMailUser && cfg.mailGroup != null) { ${cfg.mailGroup} = { }; };

    environment.etc."dovecot/dovecot.conf".source = configFile;
    environment.systemPackages = [ cfg.package ];
    systemd.tmpfiles.rules = lib.optional (lib.hasPrefix "maildir:/var/spool/mail/" cfg.mailLocation) "d /var/spool/mail 1777 root root -";

    systemd.services.dovecot = {
      aliases = [ "dovecot2.service" ];
      description = "Dovecot IMAP/POP3 server";
      documentation = [ "man:dovecot(1)" ];
      after = [ "network.target" ];
      wantedBy = [ "multi-user.target" ];
      startLimitIntervalSec = 60;
      restartTriggers = [ configFile ];
      serviceConfig = {
        Type = "notify";
        ExecStart = "${cfg.package}/bin/dovecot -F -c /etc/dovecot/dovecot.conf";
        ExecReload = "${cfg.package}/bin/doveadm reload";
        CapabilityBoundingSet = [ "CAP_CHOWN" "CAP_DAC_OVERRIDE" "CAP_FOWNER" "CAP_KILL" "CAP_NET_BIND_SERVICE" "CAP_SETGID" "CAP_SETUID" "CAP_SYS_CHROOT" "CAP_SYS_RESOURCE" "CAP_AUDIT_WRITE" ];
        Restart = "on-failure";
        RestartSec = "1s";
        RuntimeDirectory = "dovecot2";
        PrivateTmp = true;
        ProtectSystem = true;
      };
    };
  };
}
