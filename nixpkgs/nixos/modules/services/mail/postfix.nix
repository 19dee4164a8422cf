# `services.postfix`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption mkDefault optionalString optional;
  inherit (import ../short.nix { inherit lib; }) option flag maybe lines enable required;
  cfg = config.services.postfix;
  package = pkgs.postfix;
  state = "/var/lib/postfix";
  queue = "${state}/queue";
  conf = "${state}/conf";
  haveAliases = cfg.postmasterAlias != "" || cfg.rootAlias != "" || cfg.extraAliases != "";

  # ---- main.cf -----------------------------------------------------------------------------------

  value = types.nullOr (types.oneOf [ types.bool types.int types.str types.path (types.listOf (types.oneOf [ types.str types.path ])) ]);
  text = v: if lib.isBool v then (if v then "yes" else "no") else if lib.isList v then lib.concatMapStringsSep ", " toString v else toString v;
  mainCf = pkgs.writeText "postfix-main.cf" (
    lib.concatStrings (
      lib.mapAttrsToList (key: v: "${key} = ${lib.replaceStrings [ "\n" ] [ "\n  " ] (text v)}\n") (lib.filterAttrs (_: v: v != null) cfg.config)
    )
    + cfg.extraConfig
  );

  # ---- master.cf ---------------------------------------------------------------------------------

  masterOptions = { name, config, ... }: {
    options = {
      name = option types.str name "Name of the service.";
      type = option (types.enum [ "inet" "unix" "unix-dgram" "fifo" "pass" ]) "unix" "How it is reached.";
      private = flag true "Whether only the mail system reaches it.";
      privileged = flag false "Whether it runs as root.";
      chroot = flag false "Whether it sees only the queue.";
      wakeup = option types.int 0 "Seconds between wake-ups; 0: none.";
      wakeupUnusedComponent = flag true "Whether it is woken up before it was used.";
      maxproc = option types.int 100 "Most processes; 0: no limit.";
      command = option types.str name "The program.";
      args = option (types.listOf types.str) [ ] "Its arguments.";
    };
  };
  yes = v: if v then "y" else "n";
  masterLine = service:
    lib.concatStringsSep " " [
      service.name
      service.type
      (yes service.private)
      (yes (!service.privileged))
      (yes service.chroot)
      "${toString service.wakeup}${optionalString (!service.wakeupUnusedComponent) "?"}"
      (toString service.maxproc)
      "${service.command}${lib.concatMapStrings (argument: "\n  ${argument}") service.args}"
    ]
    + "\n";
  masterCf = pkgs.writeText "postfix-master.cf" (lib.concatMapStrings masterLine (lib.attrValues cfg.masterConfig) + cfg.extraMasterConf);

  overrides = options: lib.concatLists (lib.mapAttrsToList (key: v: [ "-o" "${key}=${lib.replaceStrings [ " " ] [ "" ] v}" ]) options);
  pairs = list: if list == [ ] then [ ] else [ "${lib.elemAt list 0} ${lib.elemAt list 1}" ] ++ pairs (lib.drop 2 list);

  # ---- maps --------------------------------------------------------------------------------------

  aliasesText =
    optionalString (cfg.postmasterAlias != "") "postmaster: ${cfg.postmasterAlias}\n"
    + optionalString (cfg.rootAlias != "") "root: ${cfg.rootAlias}\n"
    + cfg.extraAliases;

  prepare = ''
    umask 022
    mkdir -p ${state} ${state}/data ${queue} ${conf} /var/spool/mail
    chown root:root ${state} ${queue}
    chmod 0755 ${state} ${queue}
    chown ${cfg.user}:root ${state}/data
    chmod 0700 ${state}/data
    for directory in active bounce corrupt defer deferred flush hold incoming private saved trace; do
      install -d -m 0700 -o ${cfg.user} -g root ${queue}/$directory
    done
    install -d -m 0730 -o ${cfg.user} -g ${cfg.setgidGroup} ${queue}/maildrop
    install -d -m 0710 -o ${cfg.user} -g ${cfg.setgidGroup} ${queue}/public
    install -d -m 0755 -o root -g root ${queue}/pid

    rm -rf ${conf}
    mkdir -p ${conf}
    chmod 0755 ${conf}
    ln -sf ${mainCf} ${conf}/main.cf
    ln -sf ${masterCf} ${conf}/master.cf
    # Kinds of maps that Debian has as modules.
    cat >${conf}/dynamicmaps.cf <<'END'
    ${lib.concatMapStrings (kind: "${kind} /usr/lib/postfix/postfix-${kind}.so dict_${kind}_open${optionalString (kind == "lmdb") " mkmap_lmdb_open"}\n") [ "pcre" "lmdb" "ldap" "mysql" "pgsql" "sqlite" ]}
    END

    ${lib.concatStrings (lib.mapAttrsToList (name: file: ''
      ln -sf ${file} ${conf}/${name}
      ${package}/bin/postalias -c ${conf} ${cfg.aliasMapType}:${conf}/${name}
    '') cfg.aliasFiles)}
    ${lib.concatStrings (lib.mapAttrsToList (name: file: ''
      ln -sf ${file} ${conf}/${name}
      ${package}/bin/postmap -c ${conf} hash:${conf}/${name}
    '') cfg.mapFiles)}

    chown root:root /var/spool/mail
    chmod a+rwxt /var/spool/mail
    if ! [ -e /var/mail ]; then ln -s spool/mail /var/mail; fi
  '';

  tls = cfg.tlsTrustedAuthorities;
in
{
  imports = [
    (lib.mkRemovedOptionModule [ "services" "postfix" "sslCACert" ] "Use services.postfix.tlsTrustedAuthorities instead.")
    (lib.mkRenamedOptionModule [ "services" "postfix" "settings" "main" ] [ "services" "postfix" "config" ])
    (lib.mkRenamedOptionModule [ "services" "postfix" "settings" "master" ] [ "services" "postfix" "masterConfig" ])
    (lib.mkChangedOptionModule [ "services" "postfix" "useDane" ] [ "services" "postfix" "config" "smtp_tls_security_level" ] (
      config: mkIf config.services.postfix.useDane "dane"
    ))
  ];

  options.services.postfix = {
    enable = enable "the mail server Postfix";
    enableSmtp = flag true "Whether mail is accepted at port 25.";
    enableSubmission = flag false "Whether mail is accepted at port 587, from users.";
    enableSubmissions = flag false "Whether mail is accepted at port 465, from users, over TLS.";
    submissionOptions = option (types.attrsOf types.str) {
      smtpd_tls_security_level = "encrypt";
      smtpd_sasl_auth_enable = "yes";
      smtpd_client_restrictions = "permit_sasl_authenticated,reject";
      milter_macro_daemon_name = "ORIGINATING";
    } "Settings of port 587.";
    submissionsOptions = option (types.attrsOf types.str) {
      smtpd_sasl_auth_enable = "yes";
      smtpd_client_restrictions = "permit_sasl_authenticated,reject";
      milter_macro_daemon_name = "ORIGINATING";
    } "Settings of port 465.";
    setSendmail = flag true "Whether this is the system's sendmail.";
    user = option types.str "postfix" "User of the mail system.";
    group = option types.str "postfix" "Group of the mail system.";
    setgidGroup = option types.str "postdrop" "Group of those who may leave mail.";
    networks = maybe (types.listOf types.str) "Networks that are trusted.";
    networksStyle = option types.str "" "Which networks are trusted: host, subnet or class.";
    hostname = option types.str "" "Name of the host.";
    domain = option types.str "" "Domain of the host.";
    origin = option types.str "" "Domain of local mail.";
    destination = maybe (types.listOf types.str) "Domains whose mail stays here.";
    relayDomains = maybe (types.listOf types.str) "Domains whose mail is passed on.";
    relayHost = option types.str "" "Host that all mail goes to.";
    relayPort = option types.int 25 "Its port.";
    lookupMX = flag false "Whether the relay host is looked up as a mail exchanger.";
    postmasterAlias = option types.str "root" "Who is postmaster.";
    rootAlias = option types.str "" "Who reads root's mail.";
    extraAliases = lines "Further aliases.";
    aliasMapType = option (types.enum [ "hash" "lmdb" "btree" "texthash" ]) "hash" "Kind of data base of the aliases.";
    config = mkOption {
      type = types.submodule { freeformType = types.attrsOf value; };
      default = { };
      description = "Settings of main.cf.";
    };
    extraConfig = lines "Further text of main.cf.";
    tlsTrustedAuthorities = option types.str "/etc/ssl/certs/ca-certificates.crt" "Authorities that are trusted.";
    sslCert = option types.str "" "Certificate.";
    sslKey = option types.str "" "Its key.";
    recipientDelimiter = option types.str "" "What stands between a user and an extension.";
    canonical = lines "Addresses that are rewritten.";
    virtual = lines "Addresses that stand for others.";
    virtualMapType = option (types.enum [ "hash" "regexp" "pcre" ]) "hash" "Kind of that map.";
    localRecipients = maybe (types.listOf types.str) "Users that get mail; default: those of the system.";
    transport = lines "How mail goes where.";
    dnsBlacklists = lines "Lists of senders that are refused.";
    dnsBlacklistOverrides = lines "Senders that are accepted although they are on one.";
    masterConfig = option (types.attrsOf (types.submodule masterOptions)) { } "Services of master.cf.";
    extraMasterConf = lines "Further text of master.cf.";
    enableHeaderChecks = flag false "Whether headers are checked.";
    headerChecks = option (types.listOf (types.submodule {
      options = {
        pattern = option types.str "/^.*/" "What a header matches.";
        action = option types.str "DUNNO" "What happens then.";
      };
    })) [ ] "Checks of headers.";
    extraHeaderChecks = lines "Further lines of such checks.";
    aliasFiles = option (types.attrsOf types.path) { } "Files of aliases, by name.";
    mapFiles = option (types.attrsOf types.path) { } "Files of maps, by name.";
    useSrs = flag false "Not supported: rewriting of senders.";
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = !cfg.useSrs;
        message = "services.postfix.useSrs is not supported";
      }
    ];

    environment.etc.postfix.source = conf;
    environment.systemPackages = [ package ];

    security.pam.services.smtp = { };
    security.wrappers =
      let
        setgid = program: {
          source = "${package}/bin/${program}";
          owner = "root";
          group = cfg.setgidGroup;
          setuid = false;
          setgid = true;
        };
      in
      {
        mailq = setgid "mailq";
        postdrop = setgid "postdrop";
        postqueue = setgid "postqueue";
      }
      // lib.optionalAttrs cfg.setSendmail { sendmail = setgid "sendmail"; };

    users.users = mkIf (cfg.user == "postfix") {
      postfix = {
        description = "Postfix mail server user";
        uid = config.ids.uids.postfix;
        group = cfg.group;
      };
    };
    users.groups =
      lib.optionalAttrs (cfg.group == "postfix") { postfix.gid = config.ids.gids.postfix; }
      // lib.optionalAttrs (cfg.setgidGroup == "postdrop") { postdrop.gid = config.ids.gids.postdrop; };

    systemd.services.postfix-setup = {
      description = "Setup for Postfix mail server";
      serviceConfig.RemainAfterExit = true;
      serviceConfig.Type = "oneshot";
      script = prepare;
    };

    systemd.services.postfix = {
      description = "Postfix mail server";
      documentation = [ "man:postfix(1)" ];
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" "postfix-setup.service" ];
      requires = [ "postfix-setup.service" ];
      path = [ package ];
      environment.MAIL_CONFIG = conf;
      serviceConfig = {
        Type = "forking";
        Restart = "always";
        PIDFile = "${queue}/pid/master.pid";
        # The daemon itself: what `postfix start` checks before was made by the setup.
        ExecStart = "${package}/libexec/postfix/master -w -c ${conf}";
        ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
        PrivateTmp = true;
        PrivateDevices = true;
        ProtectSystem = "full";
        ProtectControlGroups = true;
        ProtectKernelModules = true;
        ProtectKernelTunables = true;
        CapabilityBoundingSet = [ "~CAP_NET_ADMIN CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_MODULE" ];
      };
    };

    services.postfix.config =
      lib.mapAttrs (_: mkDefault) {
        compatibility_level = "3.10";
        mail_owner = cfg.user;
        default_privs = "nobody";
        data_directory = "${state}/data";
        queue_directory = queue;
        mail_spool_directory = "/var/spool/mail/";
        config_directory = conf;
        meta_directory = conf;
        daemon_directory = "/usr/lib/postfix/sbin";
        command_directory = "/usr/sbin";
        sendmail_path = "/usr/sbin/sendmail";
        mailq_path = "/usr/bin/mailq";
        newaliases_path = "/usr/bin/newaliases";
        setgid_group = cfg.setgidGroup;
        # Names of the machine itself are looked up as the machine looks them up.
        smtp_host_lookup = "dns, native";
        inet_protocols = if config.networking.enableIPv6 then "all" else "ipv4";
      }
      // lib.optionalAttrs (cfg.relayHost != "") {
        relayhost = mkDefault (if cfg.lookupMX then "${cfg.relayHost}:${toString cfg.relayPort}" else "[${cfg.relayHost}]:${toString cfg.relayPort}");
      }
      // lib.optionalAttrs haveAliases { alias_maps = mkDefault [ "${cfg.aliasMapType}:/etc/postfix/aliases" ]; alias_database = mkDefault [ "${cfg.aliasMapType}:/etc/postfix/aliases" ]; }
      // lib.optionalAttrs (!haveAliases) { alias_maps = mkDefault ""; }
      // lib.optionalAttrs (cfg.networks != null) { mynetworks = mkDefault cfg.networks; }
      // lib.optionalAttrs (cfg.networksStyle != "") { mynetworks_style = mkDefault cfg.networksStyle; }
      // lib.optionalAttrs (cfg.hostname != "") { myhostname = mkDefault cfg.hostname; }
      // lib.optionalAttrs (cfg.domain != "") { mydomain = mkDefault cfg.domain; }
      // lib.optionalAttrs (cfg.origin != "") { myorigin = mkDefault cfg.origin; }
      // lib.optionalAttrs (cfg.destination != null) { mydestination = mkDefault cfg.destination; }
      // lib.optionalAttrs (cfg.relayDomains != null) { relay_domains = mkDefault cfg.relayDomains; }
      // lib.optionalAttrs (cfg.recipientDelimiter != "") { recipient_delimiter = mkDefault cfg.recipientDelimiter; }
      // lib.optionalAttrs (cfg.virtual != "") { virtual_alias_maps = mkDefault [ "${cfg.virtualMapType}:/etc/postfix/virtual" ]; }
      // lib.optionalAttrs (cfg.canonical != "") { canonical_maps = mkDefault [ "hash:/etc/postfix/canonical" ]; }
      // lib.optionalAttrs (cfg.localRecipients != null) { local_recipient_maps = mkDefault ([ "hash:/etc/postfix/local_recipients" ] ++ optional haveAliases "$alias_maps"); }
      // lib.optionalAttrs (cfg.transport != "") { transport_maps = mkDefault [ "hash:/etc/postfix/transport" ]; }
      // lib.optionalAttrs (cfg.dnsBlacklists != "") { smtpd_client_restrictions = mkDefault cfg.dnsBlacklists; }
      // lib.optionalAttrs cfg.enableHeaderChecks { header_checks = mkDefault [ "regexp:/etc/postfix/header_checks" ]; }
      // lib.optionalAttrs (tls != "") {
        smtp_tls_CAfile = mkDefault tls;
        smtp_tls_security_level = mkDefault "may";
      }
      // lib.optionalAttrs (cfg.sslCert != "") {
        smtp_tls_cert_file = mkDefault cfg.sslCert;
        smtp_tls_key_file = mkDefault cfg.sslKey;
        smtpd_tls_cert_file = mkDefault cfg.sslCert;
        smtpd_tls_key_file = mkDefault cfg.sslKey;
        smtpd_tls_security_level = mkDefault "may";
      };

    services.postfix.masterConfig = {
      pickup = { private = false; wakeup = 60; maxproc = 1; };
      cleanup = { private = false; maxproc = 0; };
      qmgr = { private = false; wakeup = 300; maxproc = 1; };
      tlsmgr = { wakeup = 1000; wakeupUnusedComponent = false; maxproc = 1; };
      rewrite.command = "trivial-rewrite";
      bounce.maxproc = 0;
      defer = { maxproc = 0; command = "bounce"; };
      trace = { maxproc = 0; command = "bounce"; };
      verify.maxproc = 1;
      flush = { private = false; wakeup = 1000; wakeupUnusedComponent = false; maxproc = 0; };
      proxymap = { };
      proxywrite = { maxproc = 1; command = "proxymap"; };
      showq.private = false;
      error = { };
      retry.command = "error";
      discard = { };
      local.privileged = true;
      virtual.privileged = true;
      lmtp = { };
      anvil.maxproc = 1;
      scache.maxproc = 1;
      postlog = { type = "unix-dgram"; private = false; maxproc = 1; command = "postlogd"; };
      smtp = { };
      relay = {
        command = "smtp";
        args = [ "-o smtp_fallback_relay=" ];
      };
    }
    // lib.optionalAttrs cfg.enableSmtp {
      smtp_inet = {
        name = "smtp";
        type = "inet";
        private = false;
        command = "smtpd";
      };
    }
    // lib.optionalAttrs cfg.enableSubmission {
      submission = {
        type = "inet";
        private = false;
        command = "smtpd";
        args = pairs (overrides cfg.submissionOptions);
      };
    }
    // lib.optionalAttrs cfg.enableSubmissions {
      submissions = {
        type = "inet";
        private = false;
        command = "smtpd";
        args = pairs (overrides (cfg.submissionsOptions // { smtpd_tls_wrappermode = "yes"; }));
      };
    };

    services.postfix.aliasFiles = mkIf haveAliases { aliases = pkgs.writeText "postfix-aliases" aliasesText; };
    services.postfix.mapFiles =
      lib.optionalAttrs (cfg.transport != "") { transport = pkgs.writeText "postfix-transport" cfg.transport; }
      // lib.optionalAttrs (cfg.virtual != "") { virtual = pkgs.writeText "postfix-virtual" cfg.virtual; }
      // lib.optionalAttrs (cfg.canonical != "") { canonical = pkgs.writeText "postfix-canonical" cfg.canonical; }
      // lib.optionalAttrs (cfg.localRecipients != null) {
        local_recipients = pkgs.writeText "postfix-local-recipients" (lib.concatMapStrings (user: "${user} ACCEPT\n") cfg.localRecipients);
      }
      // lib.optionalAttrs (cfg.dnsBlacklists != "") { client_access = pkgs.writeText "postfix-client-access" cfg.dnsBlacklistOverrides; }
      // lib.optionalAttrs cfg.enableHeaderChecks {
        header_checks = pkgs.writeText "postfix-header-checks" (
          lib.concatMapStrings (check: "${check.pattern} ${check.action}\n") cfg.headerChecks + cfg.extraHeaderChecks
        );
      };
  };
}
