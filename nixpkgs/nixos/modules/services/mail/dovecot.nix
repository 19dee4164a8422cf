# `services.dovecot2`: Debian's Dovecot, which is 2.4: `settings` and `extraConfig` are in that version's
# language. Of 2.3's, which most configurations are written in, `extraConfig` may have what only has
# another name now.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption mkDefault optionalString;
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
        + translated cfg.extraConfig
      );

  variables = builtins.replaceStrings [ "%u" "%n" "%d" "%h" "%r" "%s" ] [ "%{user}" "%{user | username}" "%{user | domain}" "%{home}" "%{remote_ip}" "%{protocol}" ];
  # `maildir:/path:INDEX=…`, as versions before 2.4 wrote it, as settings.
  further = { INBOX = "mail_inbox_path"; INDEX = "mail_index_path"; CONTROL = "mail_control_path"; LAYOUT = "mailbox_list_layout"; };
  locationOf =
    text:
    let
      parts = lib.splitString ":" text;
      setting =
        word:
        let
          key = lib.head (lib.splitString "=" word);
        in
        lib.nameValuePair (further.${key} or (throw "services.dovecot2.mailLocation: '${word}' is not supported: use services.dovecot2.settings")) (
          variables (lib.removePrefix "${key}=" word)
        );
    in
    { mail_driver = lib.head parts; }
    // lib.optionalAttrs (lib.length parts > 1) { mail_path = variables (lib.elemAt parts 1); }
    // lib.listToAttrs (map setting (lib.drop 2 parts));
  location = lib.mapAttrs (_: mkDefault) (locationOf cfg.mailLocation);

  # A line of 2.3 in the words of 2.4.
  renamed = {
    mail_debug = value: optionalString (value == "yes") "log_debug = category=mail";
    auth_debug = value: optionalString (value == "yes") "log_debug = category=auth";
    ssl_cert = value: "ssl_server_cert_file = ${lib.removePrefix "<" value}";
    ssl_key = value: "ssl_server_key_file = ${lib.removePrefix "<" value}";
    ssl_dh = value: "ssl_server_dh_file = ${lib.removePrefix "<" value}";
    disable_plaintext_auth = value: "auth_allow_cleartext = ${if value == "yes" then "no" else "yes"}";
    mail_location = value: lib.concatLines (lib.mapAttrsToList (key: v: "${key} = ${v}") (locationOf value));
  };
  translated =
    text:
    lib.concatMapStringsSep "\n" (
      line:
      let
        parts = builtins.match "[[:space:]]*([a-z_]+)[[:space:]]*=[[:space:]]*(.*)" line;
      in
      if parts == null || !(renamed ? ${lib.head parts}) then variables line else renamed.${lib.head parts} (lib.trim (lib.elemAt parts 1))
    ) (lib.splitString "\n" text);

  # Scripts that always run: before001, before002, …; compiled when the service starts.
  numbered =
    kind: list:
    lib.imap1 (index: script: {
      name = "${kind}${lib.fixedWidthString 3 "0" (toString index)}";
      inherit kind;
      file = if lib.isString script && !lib.hasPrefix "/" (lib.trim script) || lib.isString script && lib.hasInfix "\n" script then pkgs.writeText "${kind}-${toString index}.sieve" script else script;
    }) list;
  scripts =
    numbered "before" cfg.sieve.beforeScripts
    ++ numbered "after" cfg.sieve.afterScripts
    ++ lib.mapAttrsToList (name: file: {
      inherit name file;
      kind = lib.head (builtins.match "(before|after|default).*" name);
    }) cfg.sieve.scripts;
  sieve = cfg.sieve.enable || scripts != [ ];
  compiled = "/var/lib/dovecot/sieve";
  plugins = list: lib.genAttrs list (_: true);
  hasCertificate = cfg.sslServerCert != null;

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
    (lib.mkRenamedOptionModule [ "services" "dovecot2" "sieveScripts" ] [ "services" "dovecot2" "sieve" "scripts" ])
  ];

  options.services.dovecot2 = {
    enable = enable "the IMAP and POP3 server Dovecot";
    package = package "dovecot" pkgs.dovecot;
    enableImap = flag true "Whether IMAP is served.";
    enablePop3 = flag false "Whether POP3 is served.";
    enableLmtp = flag false "Whether mail is taken by LMTP, at /run/dovecot2/lmtp.";
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
      type = types.coercedTo (types.listOf types.unspecified) (list: lib.listToAttrs (map (entry: lib.nameValuePair entry.name (removeAttrs entry [ "name" ])) list)) (
        types.attrsOf (types.submodule mailbox)
      );
      default = { };
      description = "Mailboxes that each user has.";
    };
    sslServerCert = maybe types.path "The server's certificate.";
    sslServerKey = maybe types.path "Its key.";
    sslCACert = maybe types.path "Authorities of clients' certificates.";
    enableDHE = flag false "Not supported: primes for the exchange of keys. (On by default upstream.)";
    showPAMFailure = flag false "Whether clients are told why PAM refused.";
    modules = option (types.listOf types.package) [ ] "Packages with further plugins.";
    mailPlugins.globally.enable = option (types.listOf types.str) [ ] "Plugins for all protocols.";
    mailPlugins.perProtocol = option (types.attrsOf (types.submodule { options.enable = option (types.listOf types.str) [ ] "Plugins."; })) { } "Plugins by protocol.";
    sieve.enable = flag false "Whether mail that is taken by LMTP or by dovecot-lda is sorted by scripts.";
    sieve.scripts = option (types.attrsOf types.path) { } "Scripts that always run; the name tells when: before, before2, after …";
    sieve.beforeScripts = option (types.listOf (types.either types.path types.lines)) [ ] "Scripts that run before the users'.";
    sieve.afterScripts = option (types.listOf (types.either types.path types.lines)) [ ] "Scripts that run after them.";
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
        assertion = cfg.showPAMFailure -> cfg.enablePAM;
        message = "services.dovecot2.showPAMFailure needs enablePAM";
      }
      {
        assertion = scripts != [ ] -> cfg.mailUser != null && cfg.mailGroup != null;
        message = "services.dovecot2.sieve: scripts that always run need mailUser and mailGroup";
      }
      {
        assertion = (cfg.sslServerCert == null) == (cfg.sslServerKey == null);
        message = "services.dovecot2: sslServerCert and sslServerKey belong together";
      }
    ];

    snowglobe.refused = mkIf cfg.enableDHE { "services.dovecot2.enableDHE" = "Debian's Dovecot 2.4 exchanges keys without such primes"; };

    services.dovecot2 = {
      protocols = lib.optional cfg.enableImap "imap" ++ lib.optional cfg.enablePop3 "pop3" ++ lib.optional cfg.enableLmtp "lmtp" ++ lib.optional sieve "sieve";
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
        location
        (mkIf (cfg.mailPlugins.globally.enable != [ ]) { mail_plugins = plugins cfg.mailPlugins.globally.enable; })
        (lib.mapAttrs' (name: set: lib.nameValuePair "protocol ${name}" { mail_plugins = plugins set.enable; }) cfg.mailPlugins.perProtocol)
        (mkIf sieve {
          "protocol lmtp".mail_plugins.sieve = true;
          "protocol lda".mail_plugins.sieve = true;
          "sieve_script personal" = {
            type = "personal";
            path = "~/sieve";
            active_path = "~/.dovecot.sieve";
          };
        })
        (lib.listToAttrs (map (script: lib.nameValuePair "sieve_script ${script.name}" { type = script.kind; path = "${compiled}/${script.name}"; }) scripts))
        (mkIf cfg.enablePAM {
          "passdb pam" = {
            service_name = mkDefault "dovecot2";
            failure_show_msg = mkIf cfg.showPAMFailure true;
          };
          "userdb passwd" = mkDefault { };
        })
        # System users of NixOS begin at 400, below what Dovecot takes for people.
        (mkIf (cfg.mailUser != null) { mail_uid = mkDefault cfg.mailUser; first_valid_uid = mkDefault 100; })
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
    environment.systemPackages = [ cfg.package ] ++ cfg.modules ++ lib.optional sieve pkgs.dovecot_pigeonhole;
    systemd.tmpfiles.rules = lib.optional (lib.hasPrefix "maildir:/var/spool/mail/" cfg.mailLocation) "d /var/spool/mail 1777 root root -";

    systemd.services.dovecot = {
      aliases = [ "dovecot2.service" ];
      description = "Dovecot IMAP/POP3 server";
      documentation = [ "man:dovecot(1)" ];
      after = [ "network.target" ];
      wantedBy = [ "multi-user.target" ];
      startLimitIntervalSec = 60;
      restartTriggers = [ configFile ];
      preStart = mkIf (scripts != [ ]) ''
        rm -rf ${compiled}
        mkdir -p ${compiled}
        ${lib.concatMapStrings (script: ''
          cp -r -L ${script.file} ${compiled}/${script.name}
          if [ -d ${compiled}/${script.name} ]; then
            for file in ${compiled}/${script.name}/*.sieve; do ${pkgs.dovecot_pigeonhole}/bin/sievec "$file"; done
          else
            ${pkgs.dovecot_pigeonhole}/bin/sievec ${compiled}/${script.name}
          fi
        '') scripts}
        chown -R ${cfg.mailUser}:${cfg.mailGroup} ${compiled}
      '';
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
